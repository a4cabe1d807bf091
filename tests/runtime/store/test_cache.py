"""What a connection holds of the file in memory: no more than it is allowed, whatever the size of a page."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from meshq.bench.host import resident_mb
from meshq.runtime.store.schema import CACHE_KIB, open_reader, open_writer

ROWS = 2_000
BODY = b"x" * 32_000
INSERT = "INSERT INTO batch VALUES (NULL, 1, ?, ?, 0, 0, 0, 0, NULL, ?)"
GROWTH_MB_MAX = 4 * CACHE_KIB * 1024 / 1e6
"""With room for what an allocator keeps; eight times the bound is what the mistake would be."""


def write(path: Path) -> sqlite3.Connection:
    connection = open_writer(path)
    for number in range(ROWS):
        connection.execute(INSERT, (number, number + 1, BODY))
    return connection


def read(path: Path) -> sqlite3.Connection:
    connection = open_reader(path)
    assert sum(len(body) for (body,) in connection.execute("SELECT body FROM batch")) == ROWS * len(BODY)
    return connection


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_neither_connection_holds_more_than_its_cache(tmp_path: Path) -> None:
    path = tmp_path / "meshq.db"
    assert grown(write, path) < GROWTH_MB_MAX
    assert grown(read, path) < GROWTH_MB_MAX


def grown(use: Callable[[Path], sqlite3.Connection], path: Path) -> float:
    """By how many MB this process is larger while the connection is open."""
    before = resident_mb(os.getpid())
    connection = use(path)
    after = resident_mb(os.getpid())
    connection.close()
    return after - before
