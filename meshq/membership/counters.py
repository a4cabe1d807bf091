"""What the membership machine has counted since its start; every view reads this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Whole numbers that only grow."""

    packets: int = 0
    """Packets taken in."""
    strangers: int = 0
    """Packets from no member, or not from its address: answered plainly at most."""
    unknown: int = 0
    """Packets of a kind that this version does not know, or meant for another name."""
    probes: int = 0
    probes_failed: int = 0
    relayed: int = 0
    """Pings sent for others."""
    suspicions: int = 0
    """Suspicions that began here, whoever accused."""
    deaths: int = 0
    appeals: int = 0
    """Deaths that waited for what the accused said over its link."""
    crashes: int = 0
    """Members declared dead because their link broke and nobody listened at their address any more."""
    refutations: int = 0
    """Times this node had to say that it lives."""
    repairs: int = 0
    """Exchanges begun by this node."""
    mismatches: int = 0
    """Digests heard that were not ours."""
    pauses: int = 0
    """Times this node itself stood still for more than a second."""
    refused: int = 0
    """Members not taken in because the table is full."""
    forgotten: int = 0
    """Dead members dropped from memory because there were too many."""
