"""Clients that watch what happens: each is told of every event, while its connection takes it.

Decides what is kept for one whose connection is blocked: the latest, and how many had to go.
"""

from __future__ import annotations

from meshq.engine.door import Door
from meshq.engine.streams import Streams
from meshq.machine import events
from meshq.wire.frames import Happened, Watch


class Watchers:
    """Those of ``doors`` that asked for it."""

    def __init__(self, events_max: int, streams: Streams, doors: dict[int, Door]) -> None:
        self._events_max = events_max
        self._streams = streams
        self._doors = doors

    def watch(self, now: float, door: Door, frame: Watch) -> None:
        """From now on, or no more."""
        door.watching = frame.on
        door.events.clear()

    def happened(self, event: events.Event) -> None:
        """Tell the clients that watch. For one whose connection is blocked the latest wait, the oldest go."""
        for door in self._doors.values():
            if not door.watching:
                continue
            if len(door.events) >= self._events_max:
                door.events.popleft()
                door.lost += 1
            door.events.append(event)
            self._tell(door)

    def room(self, number: int) -> None:
        """The connection of a client takes bytes again: what it has not been told follows."""
        door = self._doors.get(number)
        if door is not None:
            self._tell(door)

    def _tell(self, door: Door) -> None:
        if door.stream.blocked:
            return
        if door.lost:
            self._streams.send(door.stream, Happened(events.to_map(events.Lost(door.lost))))
            door.lost = 0
        while door.events:
            self._streams.send(door.stream, Happened(events.to_map(door.events.popleft())))
