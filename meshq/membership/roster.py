"""The live members in the order in which they are probed, and at random.

Decides whom a probe or a rumour goes to next; each step costs the same however many members there are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from math import gcd

from meshq.machine.rng import Rng


def _stride(others: int) -> int:
    """About the golden part of ``others``, and prime to it: its multiples are spread well and leave nothing out."""
    stride = max(1, round(0.618 * others))
    while gcd(stride, others) > 1:
        stride += 1
    return stride


def _picked(names: list[str], rng: Rng, count: int, but: Collection[str]) -> list[str]:
    if len(names) <= 2 * (count + len(but)):
        rest = [name for name in names if name not in but]
        return rest if len(rest) <= count else rng.sample(rest, count)
    picked: list[str] = []
    while len(picked) < count:
        name = names[rng.randrange(len(names))]
        if name not in but and name not in picked:
            picked.append(name)
    return picked


class Roster:
    """A list of names with random rounds: ``next`` goes through all of them before any comes twice.

    Source: SWIM, section 4.3 (round-robin over a list that is shuffled after each round). The shuffle is done a
    step at a time, and a newcomer takes part in the round that is under way, at a random place of what is left of it.
    """

    __slots__ = ("_at", "_done", "_names", "_rng")

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._names: list[str] = []
        self._at: dict[str, int] = {}
        self._done = 0

    def __len__(self) -> int:
        return len(self._names)

    @property
    def place(self) -> int:
        """Nobody's: such a list has no order that others share."""
        return 0

    def __contains__(self, name: object) -> bool:
        return name in self._at

    def fill(self, names: list[str], places: dict[str, int]) -> None:
        """Start with ``names``; ``places`` says where in the list each stands. Both are kept, not copied."""
        self._names, self._at, self._done = names, places, 0

    def add(self, name: str) -> None:
        """Put a name in, unless it is."""
        if name not in self._at:
            self._at[name] = len(self._names)
            self._names.append(name)

    def remove(self, name: str) -> None:
        """Take a name out, if it is in."""
        at = self._at.pop(name, None)
        if at is None:
            return
        if at < self._done:
            self._done -= 1
            at = self._move(self._done, at)
        self._move(len(self._names) - 1, at)
        self._names.pop()

    def next(self, turn: int = 0) -> str | None:
        """The name whose turn it is; None when there are none. The number of the round does not matter here."""
        names = self._names
        if not names:
            return None
        if self._done >= len(names):
            self._done = 0
        done = self._done
        drawn = done + self._rng.randrange(len(names) - done)
        first, name = names[done], names[drawn]
        names[done], names[drawn] = name, first
        self._at[name], self._at[first] = done, drawn
        self._done = done + 1
        return name

    def pick(self, count: int, but: Collection[str]) -> list[str]:
        """Up to ``count`` different names at random, none of ``but`` (which is small)."""
        return _picked(self._names, self._rng, count, but)

    def _move(self, source: int, target: int) -> int:
        """Put the name at ``source`` to ``target``, whose name is on its way out; returns ``source``."""
        name = self._names[source]
        if source != target:
            self._names[target] = name
            self._at[name] = target
        return source


class EvenRoster:
    """A sorted list of names by which the whole mesh spreads its probes: in each round everybody is probed once.

    The member at place i probes the one at place i + 1 + (round * stride) mod (N - 1), so it comes to each other once
    in N - 1 rounds, and nobody waits long for a first probe while views and rounds agree; where they don't, it comes
    near to chance. Own design; a round number of the mesh rather than a clock, as clocks differ.
    """

    __slots__ = ("_me", "_names", "_rng", "_shared")

    def __init__(self, rng: Rng, me: str) -> None:
        self._rng = rng
        self._me = me
        self._names = [me]
        """Sorted; this node is always among them."""
        self._shared = False
        """Whether others have the same list, which must be copied before it is changed."""

    def __len__(self) -> int:
        return len(self._names) - 1

    @property
    def place(self) -> int:
        """This node's own in the order of names, this node's among them."""
        return self._find(self._me)[0]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name != self._me and self._find(name)[1]

    def fill(self, names: list[str], places: dict[str, int]) -> None:
        """Start with ``names``; where each stands doesn't matter here."""
        self.share(sorted({*names, self._me}))
        self._shared = False

    def share(self, names: list[str]) -> None:
        """Start with a sorted list that has this node in it; it is not changed."""
        self._names, self._shared = names, True

    def add(self, name: str) -> None:
        """Put a name in, unless it is."""
        at, found = self._find(name)
        if not found:
            self._mine().insert(at, name)

    def remove(self, name: str) -> None:
        """Take a name out, if it is in."""
        at, found = self._find(name)
        if found and name != self._me:
            del self._mine()[at]

    def next(self, turn: int = 0) -> str | None:
        """The name whose turn it is in that round; None when there are none."""
        others = len(self)
        if not others:
            return None
        mine, _ = self._find(self._me)
        return self._names[(mine + 1 + turn * _stride(others) % others) % (others + 1)]

    def pick(self, count: int, but: Collection[str]) -> list[str]:
        """Up to ``count`` different names at random, none of ``but`` (which is small)."""
        return _picked(self._names, self._rng, count, (*but, self._me))

    def _find(self, name: str) -> tuple[int, bool]:
        at = bisect_left(self._names, name)
        return at, at < len(self._names) and self._names[at] == name

    def _mine(self) -> list[str]:
        if self._shared:
            self._names, self._shared = list(self._names), False
        return self._names
