#!/usr/bin/python3
"""Recomputes every published token vector, sharing no code with the plugin.

    check_token_vectors.py docs/token_vectors.json          exits 1 on any difference
    check_token_vectors.py --fill docs/token_vectors.json   writes what was computed

The tokens in the file come from --fill, so that the plugin's own encoder never
wrote the file it is tested against. Also a reference in forty lines for whoever
computes tokens elsewhere. Standard library only.
"""
import base64
import decimal
import hashlib
import hmac
import json
import sys
import uuid

INTEGERS = ("int2", "int4", "int8", "oid")
TEXTS = ("text", "varchar", "name", "enum")


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def canonical_number(text):
    if text in ("NaN", "Infinity", "-Infinity"):
        return text
    number = decimal.Decimal(text)
    if number == 0:
        return "0"
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def canonical(kind, text):
    """The bytes that are hashed: a letter for the family, then the value."""
    if kind in INTEGERS:
        return b"n" + str(int(text)).encode()
    if kind == "numeric":
        return b"n" + canonical_number(text).encode()
    if kind in TEXTS:
        return b"s" + text.encode()
    if kind == "bpchar":
        return b"s" + text.rstrip(" ").encode()
    if kind == "uuid":
        return b"u" + uuid.UUID(text).bytes
    raise ValueError("unknown type " + kind)


def compute(document):
    """The document with everything that can be computed in it."""
    masters = {}
    for key in document["keys"]:
        master = base64.b64decode(key["base64"], validate=True)
        masters[key["id"]] = master
        key["hex"] = master.hex()
        key["check"] = mac(master, b"wal2lake/v1/check").hex()[:8]
    for vector in document["vectors"]:
        message = canonical(vector["type"], vector["value"])
        key = mac(masters[vector["key"]], b"wal2lake/v1/" + vector["domain"].encode())
        vector["canonical"] = message.hex()
        vector["token"] = mac(key, message)[:16].hex()
    return document


def write(path, document):
    def lines(entries):
        return ",\n".join("    " + json.dumps(entry, ensure_ascii=True) for entry in entries)

    with open(path, "w", encoding="ascii") as file:
        file.write("{\n")
        file.write('  "about": ' + json.dumps(document["about"]) + ",\n")
        file.write('  "keys": [\n' + lines(document["keys"]) + "\n  ],\n")
        file.write('  "vectors": [\n' + lines(document["vectors"]) + "\n  ]\n}\n")


def main(arguments):
    fill = arguments[:1] == ["--fill"]
    (path,) = arguments[1:] if fill else arguments
    with open(path, encoding="utf-8") as file:
        text = file.read()
    published = json.loads(text)
    computed = compute(json.loads(text))
    if fill:
        write(path, computed)
        return 0
    wrong = 0
    for part in ("keys", "vectors"):
        for index, (theirs, ours) in enumerate(zip(published[part], computed[part])):
            if theirs != ours:
                wrong += 1
                print(f"{part}[{index}] is {json.dumps(theirs)}\n  should be {json.dumps(ours)}", file=sys.stderr)
    count = len(published["vectors"])
    if count < 30:
        print(f"only {count} vectors, at least 30 are promised", file=sys.stderr)
        return 1
    print(f"{count} vectors, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
