#!/usr/bin/python3
"""Recomputes every published token vector, sharing no code with the plugin.

    check_token_vectors.py docs/token_vectors.json          exits 1 on any difference
    check_token_vectors.py --fill docs/token_vectors.json   writes what was computed

The tokens in the file come from --fill, so that the plugin's own encoder never
wrote the file it is tested against.
"""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "regress" / "t"))
from harness import tokens  # noqa: E402, since it is found only now

def compute(document):
    """The document with everything that can be computed in it."""
    masters = {}
    for key in document["keys"]:
        masters |= tokens.keys_of(f"{key['id']} {key['base64']}")
        key["hex"] = masters[key["id"]].hex()
        key["check"] = tokens.check(masters[key["id"]])
    for vector in document["vectors"]:
        vector["canonical"] = tokens.canonical(vector["type"], vector["value"]).hex()
        vector["token"] = tokens.token(masters[vector["key"]], vector["domain"], vector["type"], vector["value"]).hex()
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
    if count < 100:
        print(f"only {count} vectors, at least 100 are promised", file=sys.stderr)
        return 1
    print(f"{count} vectors, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
