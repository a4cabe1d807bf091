"""One round: three nodes with data directories, a publisher at the first, consumers at the others, three accidents.

One of two channels is consumed as fast as messages come, the other slower than they are published. A killed node is
started again on its data, and gets clients of its own again; the ones that it had live on at other nodes until then. At
the end all that was confirmed must be finished.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from meshq.bench.crash.plan import CONSUMER, ORIGIN, Accident
from meshq.bench.crash.toll import SHIFT, Span, Toll, toll
from meshq.bench.crew import Crew, Role, Shelf
from meshq.bench.repeat import Say
from meshq.bench.roles.names import channels
from meshq.launcher import NodeProcess

FAST, SLOW = channels(2)
SLOW_PER_S: Final = 30_000.0
"""What a consumer of the slow channel takes: less than is published, so that the origin has a backlog when it dies."""
CHANNELS: Final = {FAST: 0.0, SLOW: SLOW_PER_S}
RESTART_S: Final = 60.0
"""How long a node may take to start on what it kept."""


@dataclass(frozen=True)
class Work:
    """The load: calls of ``batch`` messages, so many outstanding."""

    level: str
    size_bytes: int
    batch: int
    calls: int


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a round: the toll, and how long the nodes of each accident took until they were ready again."""

    toll: Toll
    ready_s: list[float]


class Round:
    """Played once."""

    def __init__(self, crew: Crew, work: Work, say: Say) -> None:
        self._crew = crew
        self._work = work
        self._say = say
        self._nodes: dict[str, NodeProcess] = {}
        self._clients: dict[str, Role] = {}
        self._publishers = 0
        self._confirmed: list[Span] = []
        self._unconfirmed = 0
        self._finished: dict[str, list[Span]] = {channel: [] for channel in CHANNELS}

    def play(self, accidents: list[Accident]) -> Played:
        """All of it. Raises MeshError when a node or client fails: nothing is counted then."""
        self._begin()
        times_s, ready_s = [], []
        for number, accident in enumerate(accidents, 1):
            self._say(f"accident {number} of {len(accidents)}, {accident.kind}")
            time.sleep(accident.after_s)
            times_s.append(time.monotonic())
            ready_s.append(self._have(accident))
        self._say("the rest is consumed")
        self._heard(self._clients.pop(ORIGIN).stop())
        self._clients["haste"] = self._consumer(self._nodes[CONSUMER], dict.fromkeys(CHANNELS, 0.0))
        nodes = [node.mesh for node in self._nodes.values()]
        left = self._crew.role("all-settled", nodes=nodes).hear()["left"]
        for client in self._clients.values():
            self._heard(client.stop())
        return Played(toll(self._confirmed, self._unconfirmed, self._finished, times_s, left), ready_s)

    def _begin(self) -> None:
        self._say("three nodes start")
        origin, consumer, witness = self._crew.mesh(3, Shelf(self._work.level))
        self._nodes = {ORIGIN: origin, CONSUMER: consumer, "witness": witness}
        for place in ("witness", CONSUMER, ORIGIN):
            self._clients[place] = self._client(place)

    def _have(self, accident: Accident) -> float:
        """Kill, start again, bring clients; how long the last of the nodes took until it was ready."""
        victims = [self._nodes[place] for place in accident.victims]
        self._kill(victims, accident.gap_s)
        time.sleep(accident.down_s)
        if accident.again_s is not None:
            for node in victims:
                node.spawn()
            time.sleep(accident.again_s)
            self._kill(victims, accident.gap_s)
        began_s = time.monotonic()
        for node in victims:
            node.spawn()
        for node in victims:
            node.wait_ready(RESTART_S)
        ready_s = time.monotonic() - began_s
        for place in accident.victims:
            before, self._clients[place] = self._clients[place], self._client(place)
            self._heard(before.stop())
        return ready_s

    def _kill(self, nodes: list[NodeProcess], gap_s: float) -> None:
        for number, node in enumerate(nodes):
            if number:
                time.sleep(gap_s)
            node.kill()

    def _client(self, place: str) -> Role:
        """The client that belongs to a place: the load at the origin, consumers of every channel elsewhere."""
        if place != ORIGIN:
            return self._consumer(self._nodes[place], CHANNELS)
        first, work = self._publishers << SHIFT, self._work
        self._publishers += 1
        load = {"size_bytes": work.size_bytes, "batch": work.batch, "calls": work.calls, "level": work.level}
        return self._crew.ready("publish-numbered", node=self._nodes[place].mesh, first=first, **load)

    def _consumer(self, node: NodeProcess, per_s: dict[str, float]) -> Role:
        return self._crew.ready("consume-numbered", node=node.mesh, channels=per_s)

    def _heard(self, told: dict[str, Any]) -> None:
        self._confirmed.extend(told.get("confirmed", ()))
        self._unconfirmed += told.get("unconfirmed", 0)
        for channel, spans in told.get("finished", {}).items():
            self._finished[channel].extend(spans)
