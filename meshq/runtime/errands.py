"""What a host does besides its turns: connecting and looking up names, each in a task with a parent.

Decides nothing; an errand that was called off reports nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeAlias

Key: TypeAlias = tuple[str, int]
"""What is done, and the engine's number for it."""

DIAL: Final = "dial"
RESOLVE: Final = "resolve"


class Errands:
    """Tasks of one group, by key."""

    __slots__ = ("_group", "_name", "_tasks")

    def __init__(self, name: str, group: asyncio.TaskGroup) -> None:
        self._name = name
        self._group = group
        self._tasks: dict[Key, asyncio.Task[None]] = {}

    def __contains__(self, key: Key) -> bool:
        """Whether the errand is under way and still wanted."""
        return key in self._tasks

    def start(self, key: Key, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work``; the key is free again when it is done."""
        task = self._group.create_task(work, name=f"{key[0]}:{self._name}:{key[1]}")
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    def cancel(self, key: Key) -> None:
        """Call the errand off, if it is under way."""
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()

    def cancel_all(self) -> None:
        """Call everything off."""
        for key in list(self._tasks):
            self.cancel(key)
