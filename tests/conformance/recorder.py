"""A machine that decides nothing: it writes down its inputs and asks for what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshq.machine.effects import Address, Effect
from meshq.machine.store import BatchRow
from meshq.runtime.contract import REASONS


class Recorder:
    """``inputs`` has every input as (verb, now, arguments...); ``pending`` leaves with the next turn."""

    def __init__(self) -> None:
        self.inputs: list[tuple[Any, ...]] = []
        self.pending: list[Effect] = []
        self.alarms: list[float] = []
        self.bytes: dict[int, bytearray] = {}
        self.closes: dict[int, str] = {}
        self.sources: dict[int, Address] = {}
        self.turns = 0
        self.stored_in: list[int] = []
        """After how many turns each answer to a Store came."""
        self.ready = False
        self.on_datagram: Callable[[float, bytes, Address], None] | None = None
        self.on_received: Callable[[float, int, bytes], None] | None = None
        self.on_open: Callable[[int], None] | None = None
        self._accepted = 1_000

    def named(self, verb: str) -> list[tuple[Any, ...]]:
        """The inputs of one verb, without it."""
        return [each[1:] for each in self.inputs if each[0] == verb]

    def check(self) -> None:
        """What holds in every test: a start first and no second, time that never goes back, streams that end once."""
        verbs = [each[0] for each in self.inputs]
        assert verbs[:1] in ([], ["start"])
        assert verbs.count("start") <= 1
        times = [each[1] for each in self.inputs]
        assert times == sorted(times)
        ended: list[int] = []
        for verb, _, *rest in self.inputs:
            if verb in ("connected", "received", "buffered", "closed"):
                assert rest[0] not in ended, f"{verb} of a stream that had ended: {rest}"
            if verb == "closed":
                assert rest[1] in REASONS
                ended.append(rest[0])

    def start(self, now: float, wall_ns: int) -> None:
        self.inputs.append(("start", now, wall_ns))

    def wall(self, now: float, wall_ns: int) -> None:
        self.inputs.append(("wall", now, wall_ns))

    def datagram(self, now: float, data: bytes, source: Address) -> None:
        self.inputs.append(("datagram", now, data, source))
        if self.on_datagram is not None:
            self.on_datagram(now, data, source)

    def accepted(self, now: float, source: Address) -> int:
        self._accepted += 1
        self.inputs.append(("accepted", now, self._accepted, source))
        self.bytes[self._accepted] = bytearray()
        self.sources[self._accepted] = source
        if self.on_open is not None:
            self.on_open(self._accepted)
        return self._accepted

    def connected(self, now: float, stream: int, local: Address, peer: Address) -> None:
        self.inputs.append(("connected", now, stream, local, peer))
        self.bytes[stream] = bytearray()
        if self.on_open is not None:
            self.on_open(stream)

    def received(self, now: float, stream: int, data: bytes) -> None:
        self.inputs.append(("received", now, stream, len(data)))
        self.bytes[stream] += data
        if self.on_received is not None:
            self.on_received(now, stream, data)

    def closed(self, now: float, stream: int, reason: str) -> None:
        self.inputs.append(("closed", now, stream, reason))
        self.closes[stream] = reason

    def buffered(self, now: float, stream: int, size_bytes: int) -> None:
        self.inputs.append(("buffered", now, stream, size_bytes))

    def resolved(self, now: float, query: int, addresses: list[Address]) -> None:
        self.inputs.append(("resolved", now, query, addresses))

    def stored(self, now: float, token: int) -> None:
        self.inputs.append(("stored", now, token))
        self.stored_in.append(self.turns)

    def unstored(self, now: float, token: int, why: str) -> None:
        self.inputs.append(("unstored", now, token, why))

    def loaded(self, now: float, token: int, rows: list[BatchRow] | None) -> None:
        self.inputs.append(("loaded", now, token, rows))

    def store_health(self, now: float, text: str, *, full: bool) -> None:
        self.inputs.append(("store_health", now, text, full))

    def keys_unkept(self, now: float, why: str) -> None:
        self.inputs.append(("keys_unkept", now, why))

    def tick(self, now: float) -> None:
        due = [at for at in self.alarms if at <= now]
        self.alarms = [at for at in self.alarms if at > now]
        self.inputs.append(("tick", now, due))

    def drain(self, now: float, timeout_s: float) -> None:
        self.inputs.append(("drain", now, timeout_s))

    def stop(self, now: float) -> None:
        self.inputs.append(("stop", now))

    def ahead(self) -> list[Effect]:
        return []

    def effects(self) -> list[Effect]:
        self.turns += 1
        out, self.pending = self.pending, []
        return out

    def deadline(self) -> float | None:
        return min(self.alarms, default=None)

    def view(self) -> dict[str, Any]:
        return {}
