"""Key files: read whole, written atomically, for their owner's eyes only. What is in one is ``wire.keyring``'s."""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path
from typing import Final, NamedTuple

from meshq.errors import ConfigError
from meshq.wire.keyring import SECRET_BYTES, Key, Keyring, read_keyring

OWNER_ONLY: Final = 0o600
FILE_BYTES_MAX: Final = 16 * 1024
HEADER: Final = "# The keys of a meshq mesh. The first is in use. Who can read this can join.\n"

log = logging.getLogger("meshq.runtime")


class HeldKeys(NamedTuple):
    """The keys that a node or client was given, and the file that they are in; None when they are in none."""

    ring: Keyring
    file: Path | None


def hold(key: str | Path | Keyring | None) -> HeldKeys | None:
    """What ``key`` gives: a key file, or a ring that somebody has read already. Raises ConfigError."""
    if key is None or isinstance(key, Keyring):
        return None if key is None else HeldKeys(key, None)
    path = Path(key).expanduser().absolute()
    return HeldKeys(read_key_file(path), path)


def new_key() -> Key:
    """A key that nobody has."""
    return Key(secrets.token_bytes(SECRET_BYTES))


def read_key_file(path: Path) -> Keyring:
    """The ring in a file. Raises ConfigError when there is none, it can't be read, or holds something else."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
            mode = os.fstat(file.fileno()).st_mode
        text = data.decode()
    except OSError as exc:
        raise ConfigError(f"can't read the key file {path}: {exc.strerror or exc}") from exc
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is no key file: make one with `meshq keys generate {path}`") from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path} is no key file: it is larger than {FILE_BYTES_MAX:,} bytes")
    if os.name == "posix" and mode & 0o077:
        log.warning("others can read the key file %s: `chmod 600 %s` keeps them out", path, path)
    return read_keyring(text, str(path))


def write_key_file(path: Path, ring: Keyring, *, new: bool = False) -> None:
    """Put ``ring`` in place of what the file holds: all of it or nothing, also when the power goes.

    ``new``: raises ConfigError when the file exists. Raises OSError when it can't be written; nothing has changed then.
    """
    path = path.resolve()  # what a link points to, not the link
    if new and path.exists():
        raise ConfigError(f"{path} exists: its keys may be in use; name another file, or move it away")
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w") as file:
            file.write(HEADER + ring.text())
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
