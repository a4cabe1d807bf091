"""Questions that one side of a stream asks the other, and the fan-out of one to the whole mesh.

Decides which kinds exist, their bounds and deadlines. The answers are plain maps made by ``views`` and ``inside``.
A fan-out names those that did not answer; what comes of it is the answers by node, or what a gatherer makes of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from meshq.config import Config
from meshq.engine.keys import Keys
from meshq.engine.links import Links
from meshq.engine.streams import Stream, Streams
from meshq.errors import MeshError, Overloaded
from meshq.machine.timers import Timers
from meshq.membership.membership import Membership
from meshq.wire.frames import Answer, Ask

Answerer: TypeAlias = Callable[[float, dict[str, Any]], Any]
Gatherer: TypeAlias = Callable[[dict[str, Any], list[str], dict[str, Any]], Any]
"""From the answers by node, the nodes that gave none and the arguments to one answer. May raise MeshError."""

DEADLINE_MS_MAX: Final = 60_000
FANS_MAX: Final = 256
UNSEALED: Final = "keys are changed over a sealed connection only: use --key with a copy of the mesh's key file"


class Fan:
    """One question to all members, on its way."""

    __slots__ = ("arguments", "asked", "kind", "missing", "number", "refused", "results", "stream")

    def __init__(self, stream: Stream, ask: Ask, own: dict[str, Any]) -> None:
        self.stream = stream
        self.number = ask.number
        self.kind = ask.kind
        self.arguments = {key: value for key, value in ask.arguments.items() if key != "mesh"}
        self.results = own
        self.missing: dict[str, None] = {}
        self.asked: dict[str, None] = {}
        self.refused: dict[str, None] = {}
        """Those that answered that they can't."""


class Questions:
    """Answers clients and nodes: ``kinds`` says what answers each kind here, ``gatherers`` what joins answers."""

    def __init__(
        self,
        config: Config,
        keys: Keys,
        streams: Streams,
        links: Links,
        membership: Membership,
        kinds: dict[str, Answerer],
        gatherers: dict[str, Gatherer],
    ) -> None:
        self._config = config
        self._keys = keys
        self._streams = streams
        self._links = links
        self._membership = membership
        self._kinds = kinds
        self._gatherers = gatherers
        self._fans: dict[int, Fan] = {}
        self._numbers = 0
        self._timers: Timers[int] = Timers()

    def ask(self, now: float, stream: Stream, ask: Ask) -> None:
        """Somebody asks us, or through us the whole mesh (argument ``mesh``)."""
        answerer = self._kinds.get(ask.kind)
        if answerer is None:
            known = ", ".join(sorted(self._kinds))
            self._reply(now, stream, Answer(ask.number, "UNKNOWN", f"no question {ask.kind[:32]!r}; known: {known}"))
            return
        if not self._carries(stream, ask.kind):
            self._reply(now, stream, Answer(ask.number, "KEY", UNSEALED))
            return
        mesh = ask.arguments.get("mesh") is True
        try:
            if mesh and len(self._fans) >= FANS_MAX:
                raise Overloaded(f"{FANS_MAX} questions to the whole mesh are open: ask again", limit="fans_max")
            value = answerer(now, ask.arguments)
        except MeshError as exc:
            self._reply(now, stream, Answer(ask.number, exc.code, str(exc)))
            return
        if mesh:
            self._fan_out(now, Fan(stream, ask, {self._config.name: value}), ask.deadline_ms)
        else:
            self._reply(now, stream, Answer(ask.number, "", value))

    def answer(self, now: float, name: str, answer: Answer) -> None:
        """A member answers what we asked it for somebody."""
        fan = self._fans.get(answer.number)
        if fan is None or name not in fan.missing:
            return
        if answer.code:
            fan.refused[name] = None
        else:
            del fan.missing[name]
            fan.results[name] = answer.value
        if len(fan.missing) == len(fan.refused):
            self._finish(now, answer.number, fan)

    def link_up(self, now: float, name: str) -> None:
        """A link is up: send what waited for it."""
        for number, fan in self._fans.items():
            if name in fan.missing and name not in fan.asked:
                self._put(number, fan, name)

    def tick(self, now: float) -> None:
        """Answer the fan-outs whose time is over with what came."""
        for number in self._timers.due(now):
            fan = self._fans.get(number)
            if fan is not None:
                self._finish(now, number, fan)

    def deadline(self) -> float | None:
        """When ``tick`` has something to do."""
        return self._timers.deadline()

    def _fan_out(self, now: float, fan: Fan, deadline_ms: int) -> None:
        self._numbers += 1
        number = self._numbers
        self._fans[number] = fan
        self._timers.arm(number, now + min(deadline_ms, DEADLINE_MS_MAX) / 1000 * 0.8)
        fan.missing = dict.fromkeys(member.name for member in self._membership.alive())
        for name in list(fan.missing):
            if self._links.get(name) is not None:
                self._put(number, fan, name)
            else:
                self._links.want(now, name)
        if not fan.missing:
            self._finish(now, number, fan)

    def _carries(self, stream: Stream, kind: str) -> bool:
        session = stream.session
        return session is None or session.peer is None or self._keys.allows(kind, session.peer.role, session.key)

    def _put(self, number: int, fan: Fan, name: str) -> None:
        fan.asked[name] = None
        link = self._links.get(name)
        if link is not None and not self._carries(link.stream, fan.kind):
            fan.refused[name] = None  # whoever asks is told that it did not answer, when the time is over
            return
        self._links.send(name, Ask(number, fan.kind, fan.arguments, DEADLINE_MS_MAX))

    def _reply(self, now: float, stream: Stream, answer: Answer) -> None:
        if not self._streams.reply(stream, answer):
            self._streams.end(now, stream, "SLOW", "answers to this connection are unread: read them before you ask on")

    def _finish(self, now: float, number: int, fan: Fan) -> None:
        del self._fans[number]
        self._timers.cancel(number)
        missing, gather = list(fan.missing), self._gatherers.get(fan.kind)
        try:
            value = (
                gather(fan.results, missing, fan.arguments) if gather else {"nodes": fan.results, "missing": missing}
            )
        except MeshError as exc:
            self._reply(now, fan.stream, Answer(fan.number, exc.code, str(exc)))
            return
        self._reply(now, fan.stream, Answer(fan.number, "", value))
