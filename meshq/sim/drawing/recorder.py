"""Gathers what a diagram shows while a fleet runs: what becomes of processes, who accuses whom, and where messages go.

Decides what belongs together: verdicts of many nodes on one are one arrow, messages are counted in steps of time, so
that a drawing of eight nodes over a minute stays readable. It listens and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from meshq.machine import events
from meshq.sim.drawing.befallen import lanes_befallen, said
from meshq.sim.drawing.diagram import Arrow, ArrowKind, Bar, BarKind, Diagram, Mark, MarkKind, Span, SpanKind
from meshq.sim.faults import Fault
from meshq.sim.fleet import Fleet
from meshq.sim.host import Host
from meshq.sim.ledger import Ledger, Message
from meshq.sim.start import Change

TOGETHER_S: Final = 2.5
"""What nodes tell of one and the same within this time is one arrow or mark."""
STEPS: Final = 48
"""Steps of time in which messages are counted, over the whole drawing."""
STEP_S: Final = 0.25
"""The step of the recording."""
AFTER_S: Final = 2.0
"""How long the drawing goes on after the last thing that it shows."""
DOWN: Final = ("crashed", "powered off", "stopped")


class Recorder:
    """Listens to a fleet, and to a ledger where there is one, from now on."""

    def __init__(self, fleet: Fleet, ledger: Ledger | None = None) -> None:
        self._fleet = fleet
        self._ledger = ledger
        self._began: dict[tuple[SpanKind, str], float] = {}
        """Since when which lanes are down or stand still."""
        self._spans: list[Span] = []
        self._marks: list[Mark] = []
        self._arrows: list[Arrow] = []
        self._counts: dict[tuple[BarKind, str, int], int] = {}
        self._ways: dict[tuple[str, str, int], list[float]] = {}
        """From lane to lane by step: messages, sum of the times sent, sum of the times handed over."""
        fleet.on_change.append(self._changed)
        fleet.on_event.append(self._event)
        if ledger is not None:
            ledger.on_handed.append(self._handed)

    def moment(self, text: str, at_s: float | None = None) -> None:
        """Something that concerns the whole mesh: "faults end"."""
        self._marks.append(Mark(kind="moment", at_s=self._fleet.world.now if at_s is None else at_s, text=text))

    def befell(self, faults: Sequence[Fault], from_s: float) -> None:
        """Faults whose times count from ``from_s``; each is told once."""
        for fault in faults:
            at_s = from_s + fault.at_s
            self._spans.append(Span(kind="fault", from_s=at_s, until_s=at_s + fault.for_s, text=said(fault)))
            spans, arrows = lanes_befallen(fault, at_s)
            self._spans += spans
            self._arrows += arrows

    def diagram(
        self, title: str, *, violations: Sequence[tuple[float, str]] = (),
        owed: Sequence[Message] = (), lost: Sequence[Message] = (),
    ) -> Diagram:  # fmt: skip
        """What was recorded so far. ``owed`` was never finished; what of it is not ``lost`` went with its origin."""
        now = self._fleet.world.now
        marks = [*self._marks, *_missing(owed, lost)]
        until_s = min(now, self._last_s(marks) + AFTER_S)
        spans = [
            *self._spans,
            *(Span(kind=kind, lane=lane, from_s=since, until_s=now) for (kind, lane), since in self._began.items()),
        ]
        return Diagram(
            title=title,
            lanes=tuple(self._fleet.hosts),
            until_s=until_s,
            spans=tuple(replace(span, until_s=min(span.until_s, until_s)) for span in spans if span.from_s < until_s),
            marks=tuple(marks),
            arrows=(*self._deliveries(until_s), *self._arrows),
            bars=tuple(self._bars(until_s)),
            violations=tuple(violations),
            judged=self._ledger is not None,
        )

    # What it hears.

    def _changed(self, host: Host, change: Change) -> None:
        now = self._fleet.world.now
        if change == "started":
            self._end("down", host.name)
            if host.counters.starts > 1:
                self._marks.append(Mark(kind="started", lane=host.name, at_s=now))
        elif change == "paused":
            self._began.setdefault(("paused", host.name), now)
        elif change == "resumed":
            self._end("paused", host.name)
        elif change in DOWN:
            self._end("paused", host.name)
            self._began["down", host.name] = now
            self._marks.append(Mark(kind="left" if change == "stopped" else "died", lane=host.name, at_s=now))

    def _end(self, kind: SpanKind, lane: str) -> None:
        since = self._began.pop((kind, lane), None)
        if since is not None:
            self._spans.append(Span(kind=kind, lane=lane, from_s=since, until_s=self._fleet.world.now))

    def _event(self, host: Host, event: Any) -> None:
        match event:
            case events.MemberSuspected(name=name, by=by):
                self._accuse("suspects wrongly" if self._well(name) else "suspects", by or host.name, name)
            case events.MemberFailed(name=name, by=by):
                self._accuse("fails wrongly" if self._well(name) else "fails", by or host.name, name)
            case events.MemberRecovered(name=name):
                self._note("recovered", name)
            case events.MemberJoined(name=name) if self._accused(name):
                self._note("back", name)
            case events.LinkDown(leases=leases) if leases:
                self._note("returned", host.name, leases, STEP_S)

    def _well(self, name: str) -> bool:
        host = self._fleet.hosts.get(name)
        return host is not None and host.running and not host.paused

    def _accused(self, name: str) -> bool:
        return any(arrow.target == name and arrow.kind.startswith("fails") for arrow in self._arrows)

    def _accuse(self, kind: ArrowKind, by: str, name: str) -> None:
        """An arrow from whoever says so, or one more who heard it."""
        now = self._fleet.world.now
        by = by if by in self._fleet.hosts else name
        for at, arrow in enumerate(self._arrows):
            same = arrow.kind == kind and arrow.target == name and (arrow.source == by or kind.startswith("fails"))
            if same and now - arrow.from_s <= TOGETHER_S:
                self._arrows[at] = replace(arrow, count=arrow.count + 1)
                return
        self._arrows.append(Arrow(kind=kind, source=by, target=name, from_s=now, until_s=now))

    def _note(self, kind: MarkKind, lane: str, count: int = 1, together_s: float = TOGETHER_S) -> None:
        """A mark, or so many more of one."""
        now = self._fleet.world.now
        for at in range(len(self._marks) - 1, -1, -1):
            mark = self._marks[at]
            if mark.kind == kind and mark.lane == lane and now - mark.at_s <= together_s:
                self._marks[at] = replace(mark, count=mark.count + count)
                return
        self._marks.append(Mark(kind=kind, lane=lane, at_s=now, count=count))

    def _handed(self, message: Message, channel: str, consumer: Any) -> None:
        now = self._fleet.world.now
        step = int(now / STEP_S)
        kind: BarKind = "handed" if message.handed[channel] == 1 else "again"
        self._counts[kind, consumer.node, step] = self._counts.get((kind, consumer.node, step), 0) + 1
        origin = message.place[0].origin if message.place is not None else consumer.node
        if origin != consumer.node:
            way = self._ways.setdefault((origin, consumer.node, step), [0, 0.0, 0.0])
            way[0] += 1
            way[1] += message.sent_at
            way[2] += now

    # What it makes of it.

    def _last_s(self, marks: Sequence[Mark]) -> float:
        """When the last thing happened that is worth drawing."""
        times = [arrow.until_s for arrow in self._arrows] + [mark.at_s for mark in marks]
        times += [span.until_s for span in self._spans if span.until_s <= self._fleet.world.now]
        times += [(step + 1) * STEP_S for _, _, step in self._counts]
        return max(times, default=self._fleet.world.now)

    def _bars(self, until_s: float) -> list[Bar]:
        step_s = until_s / STEPS
        counts: dict[tuple[BarKind, str, int], int] = {}
        for (kind, lane, step), count in [*self._counts.items(), *self._published()]:
            key = kind, lane, int(step * STEP_S / step_s)
            counts[key] = counts.get(key, 0) + count
        return [
            Bar(kind=kind, lane=lane, from_s=step * step_s, until_s=(step + 1) * step_s, count=count)
            for (kind, lane, step), count in counts.items()
        ]

    def _published(self) -> list[tuple[tuple[BarKind, str, int], int]]:
        """What was confirmed, by the lane of its origin and the step in which it was sent."""
        counts: dict[tuple[BarKind, str, int], int] = {}
        for message in self._ledger.messages.values() if self._ledger is not None else ():
            if message.confirmed_at is not None and message.place is not None:
                key: tuple[BarKind, str, int] = "published", message.place[0].origin, int(message.sent_at / STEP_S)
                counts[key] = counts.get(key, 0) + 1
        return list(counts.items())

    def _deliveries(self, until_s: float) -> list[Arrow]:
        step_s = 2 * until_s / STEPS
        ways: dict[tuple[str, str, int], list[float]] = {}
        for (source, target, step), way in self._ways.items():
            total = ways.setdefault((source, target, int(step * STEP_S / step_s)), [0, 0.0, 0.0])
            for at, value in enumerate(way):
                total[at] += value
        return [
            Arrow(
                kind="deliveries", source=source, target=target, count=int(count),
                from_s=sent_s / count, until_s=handed_s / count,
            )
            for (source, target, _), (count, sent_s, handed_s) in ways.items()
        ]  # fmt: skip


def _missing(owed: Sequence[Message], lost: Sequence[Message]) -> list[Mark]:
    """What was confirmed and never finished, by origin and second."""
    names = {message.name for message in lost}
    counts: dict[tuple[MarkKind, str, int], int] = {}
    for message in {each.name: each for each in owed}.values():
        if message.place is not None:
            kind: MarkKind = "lost" if message.name in names else "gone"
            key = kind, message.place[0].origin, int(message.sent_at)
            counts[key] = counts.get(key, 0) + 1
    return [
        Mark(kind=kind, lane=lane, at_s=second + 0.5, count=count) for (kind, lane, second), count in counts.items()
    ]
