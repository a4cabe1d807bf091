"""Damage that is found while the node runs.

Decides that nothing is mended under a node that runs: what can be read goes on being read, the next start sets the
file aside and salvages it, whichever part of it that start would have read.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from pathlib import Path

log = logging.getLogger("meshq.store")


class Damage:
    """The note beside a file that says it is damaged."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._note = database.with_name(database.name + ".is-damaged")

    @property
    def noted(self) -> bool:
        """Whether an earlier run found damage."""
        return self._note.exists()

    def seen(self, error: Exception) -> str:
        """Note it if ``error`` tells of damage: what to say of it, else nothing."""
        if not is_damage(error):
            return ""
        if not self.noted:
            log.error(
                "%s is damaged (%s): it is set aside and salvaged when the node starts again", self._database, error
            )
            with suppress(OSError):
                self._note.touch()
        return f"{error} ({self._database.name} is damaged; start the node again to have it set aside and salvaged)"

    def dealt_with(self) -> None:
        """The file was set aside."""
        self._note.unlink(missing_ok=True)


def is_damage(error: Exception) -> bool:
    """Whether the file is not what SQLite wrote."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
