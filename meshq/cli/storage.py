"""Where a node of ``meshq join`` keeps its messages, by its settings.

Decides the data directory and the name that belongs to it: the same command is the same node again.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from meshq.cli.settings import Settings
from meshq.errors import ConfigError
from meshq.runtime.store.folder import DATABASE, default_folder
from meshq.runtime.store.opening import known_name

_SIZE: Final = re.compile(r"(\d+)\s*(?:([kmg])i?b?|b)?", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def size_bytes(text: str) -> int:
    """A size such as ``64MB``, ``1g`` or ``65536``, in powers of 1,024. Raises ConfigError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"{text!r} is no size: write 64MB, 1GB, or a number of bytes")
    return int(found[1]) * _UNITS[(found[2] or "").lower()]


def check_memory_max(settings: Settings) -> None:
    """Raises ConfigError for a budget below one message: nothing could ever be published at such a node."""
    budget_bytes, message_bytes = settings["broker.memory_bytes_max"], settings["broker.message_bytes_max"]
    if budget_bytes < message_bytes:
        raise ConfigError(
            f"--memory-max {budget_bytes:,} bytes is less than one message may have: "
            f"give at least {message_bytes:,} (broker.memory_bytes_max, broker.message_bytes_max)"
        )


def data_folder(settings: Settings, port: int) -> Path | None:
    """The data directory of the node at a mesh port; None: it keeps messages in memory only. Raises ConfigError.

    A flag goes before what environment or file say otherwise. A node that takes any port has no directory of its own
    unless one is given: nobody could start it again.
    """
    flags = {name for name, value in settings.items() if value.source == "flag"}
    if {"data", "memory"} <= flags:
        raise ConfigError("--data keeps messages on disk, --memory does not: give one of them")
    if settings["memory"] and "data" not in flags:
        if "memory" not in flags or "broker.level" in flags:
            _check_memory(settings, "a node with --memory")
        return None
    if settings["data"]:
        return Path(settings["data"]).expanduser()
    if not port:
        _check_memory(settings, "a node at any port, without --data,")
        return None
    return default_folder(port)


def name_in(folder: Path | None) -> str:
    """The name under which a node used the directory last; empty if none did."""
    return known_name(folder / DATABASE) if folder is not None else ""


def _check_memory(settings: Settings, who: str) -> None:
    level = settings["broker.level"]
    if settings.given("broker.level") and level != "memory":
        raise ConfigError(f"{who} keeps messages in memory, so there is no level {level}: give a --data directory")
