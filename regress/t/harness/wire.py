"""protoc's Python classes of the wire contract, generated at first use into a temporary directory.

Generated rather than kept: the .proto files are the contract, and a copy could differ from them.
"""

import atexit
import importlib
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

PROTO = Path(__file__).resolve().parents[3] / "proto"


def _generate():
    target = tempfile.mkdtemp(prefix="wal2lake-proto-")
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    files = [str(path.relative_to(PROTO)) for path in sorted(PROTO.glob("wal2lake/v1/*.proto"))]
    subprocess.run(["protoc", f"--proto_path={PROTO}", f"--python_out={target}", *files], check=True, cwd="/")
    # Real packages: a namespace package would lose to the server library wal2lake.so in the repository's root.
    for package in ("wal2lake", "wal2lake/v1"):
        (Path(target) / package / "__init__.py").touch()
    sys.path.insert(0, target)
    return importlib.import_module("wal2lake.v1.wal2lake_pb2"), importlib.import_module("wal2lake.v1.segment_pb2")


wal2lake, segment = _generate()


def parse(message_type, data):
    """A message out of bytes, all of them. Raises ValueError where protobuf would give up half-way with a warning."""
    message = message_type()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            message.ParseFromString(bytes(data))
    except Exception as error:
        raise ValueError(f"not a {message_type.DESCRIPTOR.name}: {error}") from error
    return message
