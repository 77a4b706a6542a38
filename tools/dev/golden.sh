#!/bin/bash
# Makes regress/golden/<case>/message.bin from the batches beside it:
#
#     tools/dev/golden.sh            writes them
#     tools/dev/golden.sh --check    writes nothing, exits 1 where one differs
#
# Every byte comes from protoc, never from the plugin's encoder: a batch and its
# frame are encoded by `protoc --encode`, the checksum is libxxhash's XXH3-64, and
# a varint length goes in front. A case with several batch*.textproto becomes
# their messages, one after the other. The schema_id that a batch states for a
# relation is checked against what the contract says it is.
set -euo pipefail
cd "$(dirname "$0")/../.."
check=${1:-}
work=$(mktemp -d /tmp/wal2lake-golden.XXXXXX)
trap 'rm -rf "$work"' EXIT
encode() { protoc --proto_path=proto --encode="wal2lake.v1.$1" wal2lake/v1/wal2lake.proto; }

cat > "$work/frame.py" <<'PYTHON'
import ctypes, sys

xxhash = ctypes.CDLL("libxxhash.so.0")
xxhash.XXH3_64bits.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
xxhash.XXH3_64bits.restype = ctypes.c_uint64

def checksum(data):
    return xxhash.XXH3_64bits(data, len(data))

def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))

def fields(data):
    """(number, value, raw bytes) of the fields of a message; protobuf encoding guide, "Message structure"."""
    at = 0
    def read_varint():
        nonlocal at
        number = shift = 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number
    while at < len(data):
        start = at
        tag = read_varint()
        if tag & 7 == 0:
            value = read_varint()
        else:
            size = {1: 8, 5: 4}.get(tag & 7) or read_varint()
            value = data[at:at + size]
            at += size
        yield tag >> 3, value, data[start:at]

def check_schema_ids(batch):
    for _, record, _ in (field for field in fields(batch) if field[0] == 5):
        for _, relation, _ in (field for field in fields(record) if field[0] == 3):
            parts = list(fields(relation))
            stated = next((int.from_bytes(value, "little") for number, value, _ in parts if number == 2), 0)
            covered = b"".join(raw for number, _, raw in parts if number not in (1, 2))
            if stated != checksum(covered):
                name = next(value for number, value, _ in parts if number == 5).decode()
                sys.exit(f"schema_id of {name} is {stated:#018x}, should be {checksum(covered):#018x}")

data = sys.stdin.buffer.read()
if sys.argv[1] == "frame":       # a Batch -> the text form of its Frame
    check_schema_ids(data)
    escaped = "".join(f"\\{byte:03o}" for byte in data)
    print(f'checksum: {checksum(data)} batch: "{escaped}"')
else:                            # a Frame -> the message
    sys.stdout.buffer.write(varint(len(data)) + data)
PYTHON

status=0
cases=0
for folder in regress/golden/*/; do
    cases=$((cases + 1))
    : > "$work/message.bin"
    for batch in "$folder"batch*.textproto; do
        encode Batch < "$batch" > "$work/batch" || { echo "$batch: not a batch" >&2; exit 1; }
        python3 "$work/frame.py" frame < "$work/batch" > "$work/frame.textproto" || { echo "in $batch" >&2; exit 1; }
        encode Frame < "$work/frame.textproto" | python3 "$work/frame.py" message >> "$work/message.bin"
    done
    if [ "$check" != --check ]; then
        cp "$work/message.bin" "${folder}message.bin"
    elif ! cmp "$work/message.bin" "${folder}message.bin"; then
        status=1
    fi
done
[ "$cases" -gt 0 ] || { echo "no golden case found" >&2; exit 1; }
echo "$cases golden cases"
exit $status
