"""Random values of PostgreSQL's types, as SQL expressions: half of them the odd ones of type_samples.py, half of them made up."""

import ipaddress
import struct
import uuid

from .type_samples import DECLARED, SAMPLES

# Numerics of 131,072 digits are test_types.py's affair.
HUGE = ("131072", "131071", "16382")
# Where a decoder could go wrong in a text: quotes, separators of rows and arrays, what test_decoding's lines are made of.
LETTERS = "abcXYZ019 _-.,;:'\"\\/()[]{}<>=%$&\n\t\r" + "äßéИ漢字🦭\u200d\u0301\ufeff\U0010ffff"
WORDS = ("", "null", "NULL", "unchanged-toast-datum", " new-tuple:", "old-key: a[text]:'b'", "{}", "\\x", "''", "B'1'")


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Values:
    """A generator of values. The same random numbers give the same values."""

    def __init__(self, rng):
        self.rng = rng
        self.samples = {name: [sample for sample in samples if not any(huge in sample for huge in HUGE)]
                        for name, samples in SAMPLES.items()}
        self.made = {
            "boolean": lambda: rng.choice(["true", "false"]),
            "smallint": lambda: f"'{rng.randint(-2**15, 2**15 - 1)}'",
            "integer": lambda: f"'{rng.choice([rng.randint(-2**31, 2**31 - 1), rng.randint(-9, 9)])}'",
            "bigint": lambda: f"'{rng.choice([rng.randint(-2**63, 2**63 - 1), rng.randint(-9, 9)])}'",
            "oid": lambda: f"'{rng.randint(0, 2**32 - 1)}'",
            "real": lambda: f"'{struct.unpack('<f', rng.randbytes(4))[0]!r}'",
            "double precision": lambda: f"'{struct.unpack('<d', rng.randbytes(8))[0]!r}'",
            "numeric": self.numeric,
            "text": lambda: quoted(self.text()), "citext": lambda: quoted(self.text()),
            "character varying": lambda: quoted(self.text()), "name": lambda: quoted(self.text(9)),
            "character": lambda: quoted(self.text(6)),
            "bytea": lambda: quoted("\\x" + rng.randbytes(rng.choice([0, 1, 7, 40, 3000])).hex()),
            "uuid": lambda: quoted(str(uuid.UUID(bytes=rng.randbytes(16)))),
            "date": lambda: f"'2000-01-01'::date + {rng.choice([rng.randint(-2451545, 2145031948), rng.randint(-90000, 90000)])}",
            "time without time zone": lambda: f"'00:00'::time + '{rng.randrange(86400 * 10**6)} us'",
            "timestamp without time zone": lambda: f"'epoch'::timestamp + '{self.microseconds()} us'",
            "timestamp with time zone": lambda: f"'epoch'::timestamptz + '{self.microseconds()} us'",
            "interval": lambda: f"'{rng.randint(-99, 99)} mons {rng.randint(-99, 99)} days {self.microseconds() // 10**6} secs'",
            "json": lambda: quoted(self.json()), "jsonb": lambda: quoted(self.json()),
            "bit varying": lambda: f"B'{rng.randrange(2**20):b}'",
            "inet": lambda: f"'{self.address()}/{rng.randrange(33)}'",
            "cidr": lambda: f"network('{self.address()}/{rng.randrange(33)}')",
            "macaddr": lambda: f"'{rng.randbytes(6).hex()}'", "macaddr8": lambda: f"'{rng.randbytes(8).hex()}'",
            "money": lambda: f"'{rng.randint(-10**15, 10**15)}.{rng.randrange(100):02d}'::numeric",
            "point": lambda: f"point('{rng.uniform(-1e9, 1e9)!r}', '{rng.gauss(0, 1e-9)!r}')",
            "hstore": lambda: f"hstore({quoted(self.text(9))}, {quoted(self.text(9))})",
            "pair": lambda: f"ROW({rng.randint(-9, 9)}, {quoted(self.text(20))})",
            "int4range": lambda: f"int4range({rng.randint(-9, 0)}, {rng.randint(1, 9)}, '{rng.choice(['[]', '()', '[)'])}')",
            "numrange": lambda: f"numrange({rng.randint(-99, 0)}, NULL)",
            "tstzrange": lambda: f"tstzrange('epoch', 'epoch'::timestamptz + '{abs(self.microseconds())} us')",
        }

    def of(self, name):
        """A value of a type, or of an array of it (`name[]`): an expression to put into a statement; sometimes NULL."""
        if self.rng.random() < 0.1:
            return "NULL"
        if name.endswith("[]"):
            return self._array(name[:-2])
        return f"({self._scalar(name)})::{DECLARED.get(name, name)}"

    def _scalar(self, name):
        make = self.made.get(name)
        return make() if make and self.rng.random() < 0.5 else self.rng.choice(self.samples[name])

    def _array(self, name):
        elements = [self.of(name) for _ in range(self.rng.randrange(5))]
        if len(elements) == 4 and self.rng.random() < 0.3:
            return f"ARRAY[[{elements[0]}, {elements[1]}], [{elements[2]}, {elements[3]}]]::{name}[]"
        if elements and self.rng.random() < 0.2:
            return f"array_fill({elements[0]}::{name}, ARRAY[1, 2], ARRAY[{self.rng.randint(-5, 5)}, 3])"
        return f"ARRAY[{', '.join(elements)}]::{name}[]"

    def text(self, most=40):
        if self.rng.random() < 0.1:
            return self.rng.choice(WORDS)[:most]
        return "".join(self.rng.choices(LETTERS, k=self.rng.randrange(most + 1)))

    def numeric(self):
        sign, digits = self.rng.choice(["", "-"]), self.rng.choice([1, 4, 9, 40, 300])
        whole = "".join(self.rng.choices("0123456789", k=digits))
        scale = self.rng.choice([0, 0, 2, 9, 60])
        return quoted(sign + whole + ("." + "".join(self.rng.choices("0123456789", k=scale)) if scale else ""))

    def address(self):
        return self.rng.choice([ipaddress.IPv4Address(self.rng.randbytes(4)), ipaddress.IPv6Address(self.rng.randbytes(16))])

    def microseconds(self):
        return self.rng.choice([self.rng.randint(-2 * 10**17, 9 * 10**18), self.rng.randint(-10**16, 10**16), self.rng.randint(-9, 9)])

    def json(self):
        word = self.text(9).translate({ord(letter): "" for letter in "\\\"\n\t\r"})
        return self.rng.choice([f'{{"{word}": [{self.rng.randint(-9, 9)}, null], "b": 1.0, "b":  []}}', f'"{word}"', "[1e2,  true]"])
