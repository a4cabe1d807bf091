"""``meshq keys``: keys are made here; who has which, and their change in the whole mesh, is asked of the nodes.

Decides what is printed. What a change needs is ``meshq.client.keys``'s, what a node allows is the node's.
"""

from __future__ import annotations

from pathlib import Path

from meshq.cli import out
from meshq.cli.exits import WrongUse
from meshq.errors import ConfigError
from meshq.runtime.keyfile import new_key, write_key_file
from meshq.wire.keyring import PLAIN, Keyring


def generate(file: Path | None, *, plain: bool, as_json: bool) -> None:
    """A new key, into a new file or onto standard output. Raises ConfigError, WrongUse; nothing is written then."""
    key = new_key()
    if file is None:
        if plain:
            raise WrongUse("--plain is for a key file: name one")
        out.document({"key": key.name, "text": key.text()}) if as_json else print(key.text())
        return
    try:
        write_key_file(file, Keyring((PLAIN, key) if plain else (key,)), new=True)
    except OSError as exc:
        raise ConfigError(f"can't write {file}: {exc.strerror or exc}") from exc
    if as_json:
        out.document({"key": key.name, "file": str(file), "in_use": "plain" if plain else key.name})
    else:
        print(f"key {key.name} is in {file}: copy it to every host, then `meshq join --key {file}` there")
