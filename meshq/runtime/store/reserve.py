"""Room on the disk that is kept for the day on which there is no other.

What is finished can be forgotten only by writing so, and a node starts only by writing its epoch: on a full disk both
need room. Decides how much of it is put by, and says when there is enough again to take new messages.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

BYTES_MAX: Final = 32 << 20
SHARE: Final = 8
"""Of a small disk this part, so that there is something left for messages."""
_CHUNK: Final = bytes(1 << 16)


class Reserve:
    """A file beside the database that is given up when the disk is full."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".reserve")
        self.size_bytes = min(BYTES_MAX, _disk_bytes(database.parent) // SHARE)

    def give_up(self) -> None:
        """Leave its room to the database."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def hold(self) -> bool:
        """Put the room by; False when the disk does not have it."""
        with suppress(OSError):
            if self._path.stat().st_size == self.size_bytes:
                return True
        try:
            with self._path.open("wb") as file:
                _allocate(file.fileno(), self.size_bytes)
        except OSError:
            self.give_up()
            return False
        return True

    def there_is_room(self, connection: sqlite3.Connection) -> bool:
        """Whether so much can be written again: on the disk, or in pages of the file that became free."""
        if self.hold():
            return True
        pages, page_bytes = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size")
        )
        return bool(pages * page_bytes >= self.size_bytes)


def _disk_bytes(folder: Path) -> int:
    if not hasattr(os, "statvfs"):
        return BYTES_MAX * SHARE
    disk = os.statvfs(folder)
    return disk.f_blocks * disk.f_frsize


def _allocate(file: int, size_bytes: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size_bytes)
        return
    while size_bytes > 0:
        size_bytes -= os.write(file, _CHUNK[:size_bytes])
