"""Fixtures of the end-to-end tests. Run them with /usr/bin/python3 -m pytest regress/t."""

import os
import random
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture
def seed(request):
    """A random seed, printed so that a failure can be repeated with WAL2LAKE_SEED."""
    number = int(os.environ.get("WAL2LAKE_SEED") or random.SystemRandom().randrange(2**31))
    print(f"seed {number} (repeat with WAL2LAKE_SEED={number})")
    return number
