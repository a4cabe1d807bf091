"""What the engine counts, and every machine's counters as one plain map. Every view reads these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Counters:
    """Of one engine, since it started."""

    packets_bad: int = 0
    """Gossip packets that meant nothing: not ours, another mesh's, or malformed."""
    packets_unsealed: int = 0
    """Gossip packets that no key of this node opens: plain ones, another key's, altered ones."""
    packets_replayed: int = 0
    """Sealed packets that had come before: repeated by the network, or by somebody."""
    streams_bad: int = 0
    """Streams ended because of what came over them."""
    streams_refused: int = 0
    """Streams over the limits."""
    packets_dropped: int = 0
    """Gossip packets for which no short stream was to be had, or whose asker does not read; gossip repeats."""


def as_map(counters: Any) -> dict[str, int]:
    """The public whole numbers of a counters object, by name."""
    names = getattr(type(counters), "__slots__", ()) or vars(counters)
    return {name: getattr(counters, name) for name in names if not name.startswith("_")}
