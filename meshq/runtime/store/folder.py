"""The data directory: where it is by default, and who has it.

Decides that one process at a time uses a directory. The lock is the operating system's: it ends with the process,
however that ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from meshq.errors import ConfigError

DATABASE = "meshq.db"


def default_folder(port: int) -> Path:
    """This user's directory for the node at a mesh port: the same command finds the same data."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "meshq" / str(port)


class Folder:
    """A data directory in use. Made if it is missing; ``close`` gives it back."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError when it can't be had."""
        self.path = path.expanduser().absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("a+", encoding="utf-8")
        except OSError as exc:
            raise ConfigError(f"data directory {self.path}: {exc.strerror}; give another --data, or --memory") from exc
        if not _lock(self._lock):
            self._lock.seek(0)
            holder = self._lock.read().strip() or "another process"
            self._lock.close()
            raise ConfigError(
                f"data directory {self.path} is in use by {holder}: stop that node, or give another --data"
            )
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()}\n")
        self._lock.flush()

    @property
    def database(self) -> Path:
        """The store's file."""
        return self.path / DATABASE

    def sync(self) -> None:
        """Have the names of its files survive a power loss."""
        sync_folder(self.path)

    def close(self) -> None:
        """Give the directory back."""
        self._lock.close()


def sync_folder(path: Path) -> None:
    """Have the names of a directory's files survive a power loss, where the system can be asked to."""
    if sys.platform != "win32":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _lock(file: IO[str]) -> bool:
    """Lock the file for this process; False when another has it."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
