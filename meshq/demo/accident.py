"""What the survivors notice of the accident: when they had their messages back, and when the node was back.

Watches through the public API of each node that stays; measures in the demo's own clock.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from meshq.client import Mesh
from meshq.demo.stage import Stage
from meshq.errors import MeshError
from meshq.machine import events

LOOK_S: Final = 0.05


class Watch:
    """Two tasks for each survivor: its events, and what it says of the members."""

    def __init__(self, stage: Stage, survivors: dict[str, Mesh], victim: str) -> None:
        self._stage = stage
        self._survivors = survivors
        self._victim = victim
        self._states: dict[str, tuple[str, int]] = {}
        """What each survivor says of the victim: its state and the start it speaks of."""
        self._killed_s: float | None = None
        self._epochs: dict[str, int] = {}
        self._back_s: dict[str, float] = {}

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Begin to watch."""
        tasks = []
        for name, mesh in self._survivors.items():
            tasks.append(group.create_task(self._listen(name, mesh), name=f"listen:{name}"))
            tasks.append(group.create_task(self._look(name, mesh), name=f"look:{name}"))
        return tasks

    def killed(self) -> None:
        """The victim was killed just now."""
        self._killed_s = time.monotonic()
        self._epochs = {name: epoch for name, (_, epoch) in self._states.items()}
        self._back_s.clear()

    def leases_back_s(self) -> float | None:
        """From the kill until every survivor had taken back what it had lent; None before."""
        if self._killed_s is None or len(self._back_s) < len(self._survivors):
            return None
        return max(self._back_s.values()) - self._killed_s

    def noticed(self) -> bool:
        """Whether some survivor no longer holds the victim alive."""
        return any(state != "alive" for state, _ in self._states.values())

    def rejoined(self) -> bool:
        """Whether every survivor holds a later start of the victim alive."""
        return all(
            state == "alive" and epoch > self._epochs.get(name, 0) for name, (state, epoch) in self._states.items()
        )

    async def _listen(self, name: str, mesh: Mesh) -> None:
        async for event in mesh.events():
            match event:
                case events.LinkDown(name=self._victim) if self._killed_s is not None and name not in self._back_s:
                    self._back_s[name] = time.monotonic()
                    self._stage.say(f"{name} took back {event.leases:,} messages that {self._victim} had borrowed")
                case events.MemberSuspected(name=self._victim):
                    self._stage.say(f"{name} suspects {self._victim}: it does not answer")
                case events.MemberFailed(name=self._victim):
                    self._stage.say(f"{name} holds {self._victim} dead")

    async def _look(self, name: str, mesh: Mesh) -> None:
        while True:
            try:
                members = await mesh.members()
            except MeshError:
                members = []
            for member in members:
                state = member["state"].lower()
                if member["name"] == self._victim:
                    self._states[name] = (state, member["epoch_ms"])
                if member["name"] in self._stage.nodes and not member["self"]:
                    self._stage.nodes[member["name"]].state = state
            await asyncio.sleep(LOOK_S)
