"""Tables that the nodes of one simulation share until they differ: ten thousand nodes that each know ten thousand.

Decides nothing: a ``Shared`` is the dict it began as, with what was changed here. A node has a few changes of its own,
where a whole table would take half a megabyte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping, MutableSequence
from functools import reduce
from operator import xor
from typing import Any, Final, TypeVar, cast, overload

from meshq.membership.member import Member
from meshq.membership.membership import Membership
from meshq.membership.roster import EvenRoster
from meshq.wire.gossip import BUCKETS

K = TypeVar("K")
V = TypeVar("V")
_GONE: Final[Any] = object()


class Shared(MutableMapping[K, V]):
    """A dict that begins as ``base``, which must not change."""

    __slots__ = ("_base", "_changed", "_length")

    def __init__(self, base: dict[K, V]) -> None:
        self._base = base
        self._changed: dict[K, V] = {}
        self._length = len(base)

    def __len__(self) -> int:
        return self._length

    def __contains__(self, key: object) -> bool:
        found = self._changed.get(key)  # type: ignore[arg-type]
        return key in self._base if found is None else found is not _GONE

    def __getitem__(self, key: K) -> V:
        found = self._changed.get(key)
        if found is None:
            return self._base[key]
        if found is _GONE:
            raise KeyError(key)
        return found

    def get(self, key: K, default: Any = None) -> Any:
        """What is held under the key."""
        found = self._changed.get(key)
        if found is None:
            return self._base.get(key, default)
        return default if found is _GONE else found

    def __setitem__(self, key: K, value: V) -> None:
        self._length += key not in self
        self._changed[key] = value

    def __delitem__(self, key: K) -> None:
        if key not in self:
            raise KeyError(key)
        self._length -= 1
        if key in self._base:
            self._changed[key] = _GONE
        else:
            del self._changed[key]

    def __iter__(self) -> Iterator[K]:
        changed, base = self._changed, self._base
        yield from (key for key in base if changed.get(key) is not _GONE)
        yield from (key for key in changed if key not in base)


class SharedList(MutableSequence[V]):
    """A list that begins as ``base``, which must not change, and is mostly changed in place."""

    __slots__ = ("_base", "_changed", "_length")

    def __init__(self, base: list[V]) -> None:
        self._base = base
        self._changed: dict[int, V] = {}
        self._length = len(base)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> V: ...
    @overload
    def __getitem__(self, at: slice) -> list[V]: ...
    def __getitem__(self, at: int | slice) -> V | list[V]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(self._length))]
        if not -self._length <= at < self._length:
            raise IndexError(at)
        at %= self._length
        return self._changed[at] if at in self._changed else self._base[at]

    @overload
    def __setitem__(self, at: int, value: V) -> None: ...
    @overload
    def __setitem__(self, at: slice, value: Iterable[V]) -> None: ...
    def __setitem__(self, at: int | slice, value: Any) -> None:
        assert isinstance(at, int)
        self._changed[at % self._length] = value

    def __delitem__(self, at: int | slice) -> None:
        assert isinstance(at, int)
        at %= self._length
        for each in range(at, self._length - 1):
            self._changed[each] = self[each + 1]
        self._length -= 1
        self._changed.pop(self._length, None)

    def insert(self, at: int, value: V) -> None:
        """Put it before what is there; what comes after moves, and is this list's own from then on."""
        self._length += 1
        for each in range(self._length - 1, at, -1):
            self._changed[each] = self[each - 1]
        self._changed[at] = value


class Everybody:
    """The members of a mesh that has been there for long, to be known by each of them."""

    def __init__(self, members: list[Member]) -> None:
        self.members = {member.name: member for member in members}
        self.names = list(self.members)
        self.sorted = sorted(self.names)
        self.places = dict(zip(self.names, range(len(self.names)), strict=True))
        self.buckets = [0] * BUCKETS
        for member in members:
            self.buckets[member.bucket] ^= member.mark
        self.raw = reduce(xor, self.buckets)

    def known_by(self, machine: Membership, now: float) -> None:
        """As ``machine.prefill(now, members)``, with shared tables."""
        own = machine._view
        own.members = cast("dict[str, Member]", Shared(self.members))
        own.members[own.me.name] = own.me
        if isinstance(own.roster, EvenRoster):
            own.roster.share(self.sorted)
        else:
            own.roster.fill(cast("list[str]", SharedList(self.names)), cast("dict[str, int]", Shared(self.places)))
        own.roster.remove(own.me.name)
        own.digest.buckets = list(self.buckets)
        own.digest.raw = own.digest._settled = self.raw
        own.announced = True
        machine._joining.finish(now)
