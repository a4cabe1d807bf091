"""What of a node outlives its process: its store, if it has one, and the file of its keys.

Decides that the epoch of a start is on disk before anybody hears of it. What is kept is the machine's to say, how it
is kept is the ``store``'s and ``keyfile``'s; a disk that is slow costs the loop nothing, but for the small key file.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

from meshq.machine.effects import KeepKeys, Load, LoadDue, Store
from meshq.machine.store import EMPTY, BatchRow, Recovered
from meshq.names import Epoch
from meshq.runtime.contract import Machine
from meshq.runtime.keyfile import HeldKeys, write_key_file
from meshq.runtime.store.store import SqliteStore
from meshq.runtime.store.writer import Answer
from meshq.runtime.turns import Turns
from meshq.wire.keyring import Secrecy, read_keyring


class Keeping:
    """``data``: the directory of the store; without one messages are in memory only. ``keys``: None without."""

    def __init__(self, data: Path | None, keys: HeldKeys | None) -> None:
        self._data = data
        self._keys = keys
        self._store: SqliteStore | None = None

    async def open(self, name: str, epoch: Epoch | None) -> Epoch | None:
        """Open the data directory, if there is one: the epoch of this start, in it already. Raises ConfigError."""
        if self._data is None:
            return None
        self._store = await asyncio.to_thread(SqliteStore, self._data)
        return self._store.begin(name, epoch)

    def recovered(self) -> Recovered | None:
        """What the store kept, told once; None without a store."""
        if self._store is None:
            return None
        recovered, self._store.recovered = self._store.recovered, EMPTY
        return recovered

    def secrecy(self) -> Secrecy | None:
        """The keys, for the machine; None at a node without."""
        return Secrecy(self._keys.ring, secrets.token_bytes) if self._keys is not None else None

    def start(self, loop: asyncio.AbstractEventLoop, machine: Machine, turns: Turns) -> None:
        """Answer to ``machine``, by ``turns``, from now on."""
        self._machine = machine
        self._turns = turns
        if self._store is not None:
            self._store.start(loop, self)

    def close(self) -> None:
        """Give the directory back once everything is written. Blocks. Idempotent."""
        if self._store is not None:
            self._store.close()
            self._store = None

    # what the machine wants

    def keep(self, effect: Store) -> None:
        """Keep rows; answered by ``store_answered``."""
        if self._store is not None:
            self._store.write(effect)

    def load(self, effect: Load | LoadDue) -> None:
        """Bring rows back; answered by ``store_loaded``."""
        if self._store is not None:
            self._store.read(effect)

    def keep_keys(self, effect: KeepKeys) -> None:
        """At once, on the loop: somebody turns a key now and then, and the next turn may seal with it."""
        why = "this node has its keys from a variable, not from a file"
        if self._keys is not None and self._keys.file is not None:
            try:
                write_key_file(self._keys.file, read_keyring(effect.text, "the ring"))
            except OSError as exc:
                why = f"{self._keys.file} can't be written: {exc.strerror or exc}"
            else:
                return
        self._turns.feed(lambda now: self._machine.keys_unkept(now, why))

    # what the store says

    def store_answered(self, answers: list[Answer]) -> None:
        """Stores were committed, or their batches given up."""

        def take(now: float) -> None:
            for token, why in answers:
                if why:
                    self._machine.unstored(now, token, why)
                else:
                    self._machine.stored(now, token)

        self._turns.feed(take)

    def store_loaded(self, token: int, rows: list[BatchRow] | None) -> None:
        """What a Load asked for."""
        self._turns.feed(lambda now: self._machine.loaded(now, token, rows))

    def store_health(self, text: str, full: bool) -> None:
        """What is wrong with the store, or nothing any more; ``full``: it has no room."""
        self._turns.feed(lambda now: self._machine.store_health(now, text, full=full))
