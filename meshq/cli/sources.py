"""Reads what settings are resolved from: the environment and the TOML file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from meshq.cli.settings import Settings, resolve
from meshq.errors import ConfigError
from meshq.wire.keyring import Keyring, read_keyring

KEYS: Final = "MESHQ_KEYS"
"""The keys themselves; where their file is says --key, or MESHQ_KEY."""


def load(flags: Mapping[str, Any], file: Path | None) -> Settings:
    """The settings by flags, environment and file; raises ConfigError when the file can't be read."""
    return resolve(flags, os.environ, _read(file) if file is not None else {}, str(file or ""))


def key_of(file: str) -> Path | Keyring | None:
    """The keys to use: those in ``file``, else in $MESHQ_KEYS, parted by commas; None without either.

    Raises ConfigError when the variable holds something else.
    """
    if file:
        return Path(file)
    text = os.environ.get(KEYS, "")
    return read_keyring(text, f"${KEYS}") if text else None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"can't read {file}: {exc.strerror or exc}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{file} is no TOML: {exc}") from exc
