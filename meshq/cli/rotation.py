"""``meshq keys``: keys are made here; who has which, and their change in the whole mesh, is asked of the nodes.

Decides what is printed. What a change needs is ``meshq.client.keys``'s, what a node allows is the node's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meshq.cli import client, out
from meshq.cli.exits import WrongUse
from meshq.cli.sources import key_of
from meshq.errors import ConfigError
from meshq.runtime.keyfile import FILE_BYTES_MAX, new_key, read_key_file, write_key_file
from meshq.wire.keyring import PLAIN, Key, Keyring, read_keyring

if TYPE_CHECKING:
    from meshq.client.keys import KeyReport, Keys


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


def list_(file: str, nodes: Sequence[str] | None, *, as_json: bool) -> None:
    """Who has what."""
    _show(_asked(file, nodes, lambda keys: keys.list()), as_json)


def add(source: str, file: str, nodes: Sequence[str] | None, *, as_json: bool) -> None:
    """A key to every node: a new one, or that in a file or on standard input. Raises ConfigError for another thing."""
    key = _key_in(source) if source else new_key()
    report = _asked(file, nodes, lambda keys: keys.add(key))
    if not as_json:
        has = len(report.nodes) - len(report.lacking(key.name))
        print(f"key {key.name} is taken by {has} of {_all(report)} nodes; next: meshq keys use {key.name}")
    _show(report, as_json)


def use(name: str, file: str, nodes: Sequence[str] | None, *, as_json: bool) -> None:
    """Every node seals with that key."""
    report = _asked(file, nodes, lambda keys: keys.use(name))
    if not as_json:
        print(f"key {name} is in use at {len(report.using(name))} of {_all(report)} nodes")
    _show(report, as_json)


def remove(name: str, file: str, nodes: Sequence[str] | None, *, as_json: bool) -> None:
    """No node takes that key any more."""
    report = _asked(file, nodes, lambda keys: keys.remove(name))
    if not as_json:
        print(f"key {name} is gone from {len(report.lacking(name))} of {_all(report)} nodes")
    _show(report, as_json)


def _asked(file: str, nodes: Sequence[str] | None, verb: Callable[[Keys], Coroutine[Any, Any, KeyReport]]) -> KeyReport:
    async def main() -> KeyReport:
        from meshq.client import connect

        async with connect(*client.addresses(nodes), key=key_of(file) if file else client.key()) as mesh:
            return await verb(mesh.keys)

    return client.run(main)


def _show(report: KeyReport, as_json: bool) -> None:
    if as_json:
        out.document({"nodes": report.nodes, "missing": report.missing})
        return
    rows = [(node, (keys or ["none"])[0], ", ".join(keys[1:]) or "-") for node, keys in report.nodes.items()]
    out.table(("NODE", "SEALS WITH", "TAKES TOO"), [*rows, *((node, "no answer", "-") for node in report.missing)])


def _all(report: KeyReport) -> int:
    return len(report.nodes) + len(report.missing)


def _key_in(source: str) -> Key:
    """The one key in a file, or on standard input."""
    if source != "-":
        ring = read_key_file(Path(source))
    else:
        ring = read_keyring(sys.stdin.read(FILE_BYTES_MAX), "standard input")
    if len(ring.keys) > 1:
        raise ConfigError(f"{source} holds {len(ring.keys)} keys: one is added at a time")
    return ring.in_use
