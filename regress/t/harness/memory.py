"""Looks for bytes in the memory of a process that is running, what is left out of core dumps included."""

import re
import struct

from . import tokens

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (r)")
_UNREADABLE = ("[vvar]", "[vsyscall]", "[vvar_vclock]")
_CONSTANTS = [int(2**32 * (prime ** (1 / 3) % 1)) for prime in (
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
    127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193, 197, 199, 211, 223, 227, 229, 233, 239, 241,
    251, 257, 263, 269, 271, 277, 281, 283, 293, 307, 311)]
_START = [int(2**32 * (prime ** 0.5 % 1)) for prime in (2, 3, 5, 7, 11, 13, 17, 19)]


def found(pid, needles):
    """{name: how often} of the needles, {name: bytes}, in the memory of a process; only those that are there."""
    counts = {}
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            mapping = _MAPPING.match(line)
            if not mapping or line.rstrip().endswith(_UNREADABLE):
                continue
            start, end = (int(number, 16) for number in mapping.groups()[:2])
            memory.seek(start)
            data = memory.read(end - start)
            for name, needle in needles.items():
                if needle in data:
                    counts[name] = counts.get(name, 0) + data.count(needle)
    return counts


def traces_of_key(master, domains):
    """What makes tokens as the key itself does: the key, the keys of domains, and SHA-256 halfway through either, {name: bytes}."""
    traces = {}
    for name, key in {"key": master, **{domain: tokens.derived(master, domain) for domain in domains}}.items():
        traces[name] = key
        for half, pad in (("inner", 0x36), ("outer", 0x5c)):
            block = bytes(byte ^ pad for byte in key.ljust(64, b"\0"))
            traces[f"{name}, {half}"] = struct.pack("=8I", *_sha256_after(block))
    return traces


def _rotate(word, bits):
    return (word >> bits | word << 32 - bits) & 0xFFFFFFFF


def _sha256_after(block):
    """The eight words of SHA-256's state after one block (FIPS 180-4)."""
    words = list(struct.unpack(">16I", block))
    for i in range(16, 64):
        low = _rotate(words[i - 15], 7) ^ _rotate(words[i - 15], 18) ^ words[i - 15] >> 3
        high = _rotate(words[i - 2], 17) ^ _rotate(words[i - 2], 19) ^ words[i - 2] >> 10
        words.append((words[i - 16] + low + words[i - 7] + high) & 0xFFFFFFFF)
    a, b, c, d, e, f, g, h = _START
    for constant, word in zip(_CONSTANTS, words):
        first = (h + (_rotate(e, 6) ^ _rotate(e, 11) ^ _rotate(e, 25)) + (e & f ^ ~e & g) + constant + word) & 0xFFFFFFFF
        second = ((_rotate(a, 2) ^ _rotate(a, 13) ^ _rotate(a, 22)) + (a & b ^ a & c ^ b & c)) & 0xFFFFFFFF
        a, b, c, d, e, f, g, h = (first + second) & 0xFFFFFFFF, a, b, c, (d + first) & 0xFFFFFFFF, e, f, g
    return [(old + new) & 0xFFFFFFFF for old, new in zip(_START, (a, b, c, d, e, f, g, h))]
