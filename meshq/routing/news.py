"""What this node has to tell all others, as one sequence of versions: its interest, and names it used.

Each change takes the next version; of several changes to one name only the last is kept, so what follows a
version is a short list however much has happened. A use or delete of a name stays in the list until every
live member has it (later members get the catalog whole), a removal of interest likewise; how far removals
are forgotten is the ``floor``: who knows less begins again at 0.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from meshq.routing.hashing import entry_hash
from meshq.routing.interest import Key

REMOVALS_MAX: Final = 1024
"""Removals remembered beyond the number of entries held; the oldest are forgotten first."""


class Item(NamedTuple):
    """A name and the version at which it last changed; ``use``: of the catalog, else of interest."""

    version: int
    key: Key
    use: bool


class News:
    """This node's own map, versioned, with the names it used lately."""

    def __init__(self) -> None:
        self.version = 0
        self.floor = 0
        self.hash = 0
        self._counts: dict[Key, int] = {}
        # All three are in version order: what changes moves to the end.
        self._held: dict[Key, int] = {}
        self._gone: dict[Key, int] = {}
        self._used: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def consumers(self, key: Key) -> int:
        """How many consumers this node has there."""
        return self._counts.get(key, 0)

    def set_consumers(self, key: Key, count: int) -> None:
        """This node has ``count`` consumers there from now on."""
        before = self._counts.pop(key, 0)
        self._held.pop(key, None)
        self._gone.pop(key, None)
        self.version += 1
        if before:
            self.hash ^= entry_hash(key, before)
        if count:
            self._counts[key] = count
            self._held[key] = self.version
            self.hash ^= entry_hash(key, count)
        else:
            self._gone[key] = self.version
            self._bound_removals()

    def note(self, topic: str, channel: str) -> int:
        """The catalog's record of that name is to be told to all, even if they knew it; its version."""
        self.version += 1
        self._used.pop((topic, channel), None)
        self._used[topic, channel] = self.version
        return self.version

    def since(self, version: int) -> list[Item]:
        """What changed after ``version``, in version order."""
        items: list[Item] = []
        for use, changed in ((False, self._held), (False, self._gone), (True, self._used)):
            for key in reversed(changed):
                if changed[key] <= version:
                    break
                items.append(Item(changed[key], key, use))
        items.sort()
        return items

    @property
    def prunable(self) -> bool:
        """Whether something waits to be forgotten."""
        return bool(self._gone or self._used)

    def prune(self, version: int) -> None:
        """Every live member has what is up to ``version``."""
        for key in [key for key, used in self._used.items() if used <= version]:
            del self._used[key]
        for key in [key for key, gone in self._gone.items() if gone <= version]:
            self.floor = max(self.floor, self._gone.pop(key))

    def _bound_removals(self) -> None:
        while len(self._gone) > REMOVALS_MAX + len(self._counts):
            oldest = next(iter(self._gone))
            self.floor = max(self.floor, self._gone.pop(oldest))
