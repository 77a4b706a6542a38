"""A type whose output function misbehaves, each value in a way of its own (odd_types.c)."""

import os
import subprocess
from pathlib import Path

import pytest

# By the value that asks for it.
FINE, ENDLESS, ENDLESS_OUTSIDE, ENDLESS_DOUBLING, TOO_MUCH_AT_ONCE, MUCH, LEAVES_SPI, LOOKS_FOR_SPI, SHORT_ONCE, ROLLBACK, \
    SERIALIZATION, LACKS_MEMORY, RECURSES, LONG = range(14)

TYPE = """
    CREATE TYPE odd;
    CREATE FUNCTION odd_in(cstring) RETURNS odd LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
    CREATE FUNCTION odd_out(odd) RETURNS cstring LANGUAGE C IMMUTABLE STRICT AS '{library}';
    CREATE TYPE odd (INPUT = odd_in, OUTPUT = odd_out, LIKE = int4);
    CREATE FUNCTION odd_limit() RETURNS bigint LANGUAGE C AS '{library}';
    CREATE FUNCTION odd_bound(bigint) RETURNS bigint LANGUAGE C AS '{library}'"""


def build(cluster, source):
    """A library of this folder, built for the server of this machine."""
    if cluster.root:
        pytest.skip("the library is built for the server of this machine")
    library = cluster.base / source.replace(".c", ".so")
    if not library.exists():
        headers = subprocess.check_output([os.environ.get("PG_CONFIG", "pg_config"), "--includedir-server"], text=True).strip()
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-I", headers, "-o", library, Path(__file__).with_name(source)], check=True)
    return library


def create_type(database):
    """The type `odd` in a database."""
    database.execute(TYPE.format(library=build(database.cluster, "odd_types.c")))
