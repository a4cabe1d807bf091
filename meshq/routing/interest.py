"""Interest: which node has consumers on which (topic, channel), as each node says of itself.

One versioned map per node and epoch, owned by that node, copied by all others from deltas in version order.
A copy at version v is right about everything that the owner's map has at versions up to v. The index turns
the maps round: channel -> nodes. The map of a dead member is masked, not deleted, until the member is
forgotten; a later epoch replaces it at once, so nobody needs to clean up.

How deltas travel is ``announce``; this node's own map is ``news``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from enum import Enum, auto
from typing import Final, TypeAlias

from meshq.config import RoutingConfig
from meshq.names import Epoch
from meshq.routing.counters import Counters
from meshq.routing.hashing import entry_hash
from meshq.wire.interest import CONSUMERS_MAX, Entry

Key: TypeAlias = tuple[str, str]
"""A topic and a channel."""
CONSUMERS_BITS: Final = 20
STRANGERS_MAX: Final = 20_000
"""Maps of nodes that are not members (yet); as many as members and dead ones together."""


class Outcome(Enum):
    """What became of a part of somebody's interest."""

    TAKEN = auto()
    KNOWN = auto()
    GAP = auto()
    """Something before it is missing: ask for what follows the version known."""
    REFUSED = auto()
    """It would exceed a limit."""


class Index:
    """Channel -> the nodes with consumers, sorted by name; remembers which answers changed since asked."""

    def __init__(self) -> None:
        self._names: dict[Key, tuple[str, ...]] = {}
        self._keys: dict[Key, Key] = {}
        self._changed: dict[Key, bool] = {}

    def interested(self, key: Key) -> tuple[str, ...]:
        """The nodes' names, the same order at every node."""
        return self._names.get(key, ())

    def channels(self) -> Iterable[Key]:
        """Every channel that some node consumes."""
        return self._names.keys()

    def shared(self, key: Key) -> Key:
        """One object per channel for the maps of all nodes: half of what a pair costs."""
        if len(self._keys) > 2 * len(self._names) + 4096:
            self._keys = {name: name for name in self._names}
        return self._keys.setdefault(key, key)

    def add(self, key: Key, name: str) -> None:
        """``name`` has consumers there."""
        names = self._names.get(key, ())
        at = bisect_left(names, name)
        if at == len(names) or names[at] != name:
            self._names[self.shared(key)] = (*names[:at], name, *names[at:])
            self._changed[key] = True

    def remove(self, key: Key, name: str) -> None:
        """``name`` has none, or does not count any more."""
        names = self._names.get(key, ())
        at = bisect_left(names, name)
        if at == len(names) or names[at] != name:
            return
        if len(names) == 1:
            del self._names[key]
            self._keys.pop(key, None)
        else:
            self._names[key] = names[:at] + names[at + 1 :]
        self._changed.setdefault(key, False)

    def changes(self) -> dict[Key, bool]:
        """The channels whose answer changed since the last call; True where a node came."""
        changed, self._changed = self._changed, {}
        return changed


class Holding:
    """A copy of one node's map. Entries are packed, version above consumers: one int each."""

    __slots__ = ("cleared", "doubted", "entries", "epoch", "hash", "masked", "name", "staging", "version")

    def __init__(self, name: str, epoch: Epoch) -> None:
        self.name = name
        self.epoch = epoch
        self.version = 0
        self.cleared = 0
        """Removals up to this version can't be missing here, though we never saw them."""
        self.entries: dict[Key, int] = {}
        self.hash = 0
        self.masked = True
        self.doubted = False
        """The owner's hash differs at the same version: only a copy from the beginning will do."""
        self.staging: Holding | None = None

    def fits(self, floor: int) -> bool:
        """Whether deltas of an owner that forgot the removals up to ``floor`` can be applied here."""
        return not self.doubted and max(self.version, self.cleared) >= floor

    def consumers(self, key: Key) -> int:
        """How many consumers the node has there."""
        return self.entries.get(key, 0) & CONSUMERS_MAX

    def put(self, key: Key, consumers: int, version: int) -> int:
        """Set one entry; returns how many consumers there were."""
        before = self.entries.get(key, 0) & CONSUMERS_MAX
        if before:
            self.hash ^= entry_hash(key, before)
        if consumers:
            self.entries[key] = version << CONSUMERS_BITS | consumers
            self.hash ^= entry_hash(key, consumers)
        else:
            self.entries.pop(key, None)
        return before

    def listing(self) -> list[Entry]:
        """The entries in version order."""
        entries = [
            Entry(topic, channel, packed & CONSUMERS_MAX, packed >> CONSUMERS_BITS, 0)
            for (topic, channel), packed in self.entries.items()
        ]
        entries.sort(key=_version)
        return entries


class Interest:
    """The maps of all other nodes, and the index over them and over this node's own."""

    def __init__(self, config: RoutingConfig, counters: Counters) -> None:
        self._config = config
        self._counters = counters
        self._holdings: dict[str, Holding] = {}
        self.index = Index()
        self.pairs = 0
        """Entries of all other nodes."""

    # members

    def show(self, name: str, epoch: Epoch) -> None:
        """The member lives: its map counts. One of another epoch is forgotten."""
        holding = self._holdings.get(name)
        if holding is None or holding.epoch != epoch:
            self.forget(name)
            holding = self._holdings[name] = Holding(name, epoch)
        if holding.masked:
            holding.masked = False
            for key in holding.entries:
                self.index.add(key, name)

    def mask(self, name: str) -> None:
        """The member is held dead: its map is kept but does not count."""
        holding = self._holdings.get(name)
        if holding is not None and not holding.masked:
            holding.masked = True
            for key in holding.entries:
                self.index.remove(key, name)

    def forget(self, name: str) -> None:
        """The member is gone for good, or began anew."""
        self.mask(name)
        holding = self._holdings.pop(name, None)
        if holding is not None:
            self.pairs -= len(holding.entries)

    def holdings(self) -> list[Holding]:
        """The maps that count."""
        return [holding for holding in self._holdings.values() if not holding.masked]

    def holding(self, name: str, epoch: Epoch) -> Holding | None:
        """The map of that start of the node."""
        holding = self._holdings.get(name)
        return holding if holding is not None and holding.epoch == epoch else None

    def strangers(self, members: Iterable[str]) -> list[str]:
        """Nodes that somebody told of and that are no members."""
        known = frozenset(members)
        return [name for name in self._holdings if name not in known]

    def version(self, name: str, epoch: Epoch) -> int:
        """Up to where that node's map is known."""
        holding = self.holding(name, epoch)
        return 0 if holding is None else holding.version

    def since(self, name: str, epoch: Epoch, floor: int) -> int:
        """From where deltas are wanted, of an owner that forgot the removals up to ``floor``."""
        holding = self.holding(name, epoch)
        if holding is None:
            return 0
        if holding.fits(floor):
            return holding.version
        staging = holding.staging
        return staging.version if staging is not None and staging.fits(floor) else 0

    def doubt(self, name: str, epoch: Epoch, version: int) -> None:
        """The owner's hash at ``version`` is another than ours: if we are there, start a fresh copy."""
        holding = self.holding(name, epoch)
        if holding is not None and holding.version == version:
            holding.doubted = True

    def consumers(self, name: str, key: Key) -> int:
        """How many consumers that node has there."""
        holding = self._holdings.get(name)
        return 0 if holding is None else holding.consumers(key)

    # deltas

    def apply(self, name: str, epoch: Epoch, floor: int, start: int, stop: int, entries: list[Entry]) -> Outcome:
        """Take part of a node's map if nothing before it is missing. A refused part changes nothing."""
        holding = self._hear_of(name, epoch)
        if holding is None:
            return Outcome.KNOWN
        if holding.version == 0 and start == 0 and not holding.doubted:
            holding.cleared = max(holding.cleared, floor)
        if not holding.fits(floor):
            return self._stage(holding, floor, start, stop, entries)
        if stop <= holding.version:
            return Outcome.KNOWN
        if start > holding.version:
            return Outcome.GAP
        if self._exceeds(holding, entries):
            self._counters.interest_refused += 1
            return Outcome.REFUSED
        self._take(holding, stop, entries)
        holding.staging = None
        return Outcome.TAKEN

    def _hear_of(self, name: str, epoch: Epoch) -> Holding | None:
        """The map to write to; None when the part is of a dead epoch, or of one not yet a member's."""
        holding = self._holdings.get(name)
        if holding is not None and holding.epoch != epoch:
            if not holding.masked or epoch < holding.epoch:
                return None
            self.forget(name)
            holding = None
        if holding is None:
            if len(self._holdings) >= STRANGERS_MAX:
                self._counters.interest_refused += 1
                return None
            holding = self._holdings[name] = Holding(name, epoch)
        return holding

    def _take(self, holding: Holding, stop: int, entries: list[Entry]) -> None:
        had = len(holding.entries)
        for topic, channel, consumers, version, _ in entries:
            if version <= holding.version:
                continue
            key = self.index.shared((topic, channel))
            before = holding.put(key, consumers, version)
            if not holding.masked and (before == 0) != (consumers == 0):
                self._reindex(key, holding.name, consumers)
        holding.version = stop
        self.pairs += len(holding.entries) - had

    def _reindex(self, key: Key, name: str, consumers: int) -> None:
        if consumers:
            self.index.add(key, name)
        else:
            self.index.remove(key, name)

    def _exceeds(self, holding: Holding, entries: list[Entry]) -> bool:
        more = sum(1 for entry in entries if entry.consumers and (entry.topic, entry.channel) not in holding.entries)
        limit = self._config.interest_max + self._config.interest_max // 4
        return more > 0 and (len(holding.entries) + more > limit or self.pairs + more > self._config.pairs_max)

    # a copy from the beginning, beside the one that counts

    def _stage(self, holding: Holding, floor: int, start: int, stop: int, entries: list[Entry]) -> Outcome:
        if start == 0:
            holding.staging = Holding(holding.name, holding.epoch)
            holding.staging.cleared = floor
        staging = holding.staging
        if staging is None or start > staging.version or not staging.fits(floor):
            return Outcome.GAP
        if self._exceeds(staging, entries):
            self._counters.interest_refused += 1
            return Outcome.REFUSED
        for topic, channel, consumers, version, _ in entries:
            if version > staging.version:
                staging.put(self.index.shared((topic, channel)), consumers, version)
        staging.version = max(stop, staging.version)
        if staging.version >= holding.version:
            self._adopt(holding, staging)
        return Outcome.TAKEN

    def _adopt(self, holding: Holding, staging: Holding) -> None:
        """The copy has caught up: it becomes the map, and the index follows the difference."""
        if not holding.masked:
            for key in [key for key in holding.entries if key not in staging.entries]:
                self.index.remove(key, holding.name)
            for key in staging.entries:
                self.index.add(key, holding.name)
        self.pairs += len(staging.entries) - len(holding.entries)
        holding.entries, holding.hash = staging.entries, staging.hash
        holding.version, holding.cleared = staging.version, staging.cleared
        holding.doubted, holding.staging = False, None


def _version(entry: Entry) -> int:
    return entry.version
