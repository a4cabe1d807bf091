"""Faults that strike while a log is handed over: at the moment that matters, whenever that is.

Decides the moment by looking into the brokers of both, or by what a taker tells. Who drains is another fault's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from meshq.engine.engine import Engine
from meshq.machine import events
from meshq.sim.faults import Fault, Undo, keep_down
from meshq.sim.fleet import Fleet
from meshq.sim.host import Host

Moment: TypeAlias = Literal["willing", "ceded", "taken"]
"""A peer is willing; it has heard everything and not kept it yet; the log is its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashInHandOver(Fault):
    """The giver ``node`` dies, or whoever takes over from it, at the first such moment from ``at_s`` on, and starts
    again ``for_s`` after ``at_s``."""

    node: str
    moment: Moment = "taken"
    taker: bool = False

    def begin(self, fleet: Fleet) -> Undo:
        return _Watch(fleet, self).end


class _Watch:
    """Waits for the moment."""

    def __init__(self, fleet: Fleet, fault: CrashInHandOver) -> None:
        self._fleet = fleet
        self._fault = fault
        self._undo: Undo | None = None
        self._struck = False
        if fault.moment == "taken":
            fleet.on_event.append(self._happened)
        else:
            fleet.on_turn.append(self._turned)

    def end(self) -> None:
        """It is over, whether it came or not."""
        self._struck = True
        if self._undo is not None:
            self._undo()

    def _happened(self, host: Host, event: Any) -> None:
        if isinstance(event, events.TakenOver) and event.giver == self._fault.node:
            self._strike(host.name)

    def _turned(self, host: Host) -> None:
        machine = host.machine
        if self._struck or not isinstance(machine, Engine):
            return
        if self._fault.moment == "ceded":
            for take in machine.broker._exchange._taker._takes.values():
                if take.ceded and take.giver.name == self._fault.node:
                    self._strike(host.name)
                    return
        elif host.name == self._fault.node:
            for gift in machine.broker._giver._gifts.values():
                if gift.willing:
                    self._strike(gift.peer.name)
                    return

    def _strike(self, taker: str) -> None:
        if not self._struck:
            self._struck = True
            node = taker if self._fault.taker else self._fault.node
            self._fleet.world.after(0.0, self._crash, node)

    def _crash(self, node: str) -> None:
        self._fleet.crash(node)
        self._undo = keep_down(self._fleet, node, "kept")
