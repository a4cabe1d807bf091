"""Plans of faults drawn from chance, a few kinds at a time.

A run that meets every kind of fault finds less than runs that meet three kinds each (a swarm): faults hide each
other. Decides how often and how long; what a fault does is in ``faults``.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, Literal, TypeAlias, get_args

from meshq.sim.faults import (
    Crash,
    DiskFull,
    Fault,
    Flap,
    LinkCut,
    OneWay,
    Partition,
    Pause,
    Skew,
    Slow,
    SlowDisk,
    Starve,
    Storm,
)
from meshq.sim.network import Weather

Kind: TypeAlias = Literal[
    "partition", "one-way", "loss", "storm", "pause", "starve", "slow",
    "crash", "power", "cut", "half-open", "flap", "skew", "disk-full", "slow-disk",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


def draw(rng: Random, nodes: Sequence[str], kinds: Sequence[Kind], *, count: int, within_s: float) -> list[Fault]:
    """``count`` faults of ``kinds`` among ``nodes``, all begun ``within_s``, in order of time."""
    faults = [_draw_one(rng, list(nodes), rng.choice(kinds), within_s) for _ in range(count)]
    return sorted(faults, key=lambda fault: fault.at_s)


def kinds(rng: Random) -> list[Kind]:
    """A few kinds of fault for one run."""
    return rng.sample(KINDS, rng.randint(1, 4))


def _draw_one(rng: Random, nodes: list[str], kind: Kind, within_s: float) -> Fault:
    at_s = round(rng.uniform(0.0, within_s), 3)
    for_s = round(rng.choice((0.05, 0.3, 1.0, 3.0, 8.0)) * rng.uniform(0.5, 1.5), 3)
    node, other = rng.sample(nodes, 2) if len(nodes) > 1 else (nodes[0], nodes[0])
    match kind:
        case "partition":
            side = tuple(sorted(rng.sample(nodes, rng.randint(1, max(1, len(nodes) // 2)))))
            return Partition(at_s=at_s, for_s=for_s, groups=(tuple(n for n in nodes if n not in side), side))
        case "one-way":
            return OneWay(at_s=at_s, for_s=for_s, source=node, target=other)
        case "loss":
            return Storm(at_s=at_s, for_s=for_s, weather=Weather(loss=rng.choice((0.01, 0.05, 0.25))))
        case "storm":
            weather = Weather(
                latency_s=rng.choice((0.0, 0.02, 0.2)), jitter_s=rng.choice((0.0, 0.05, 0.3)),
                duplication=rng.choice((0.0, 0.2)), reordering=rng.choice((0.0, 0.3)),
                bandwidth_bytes_s=rng.choice((0.0, 50_000.0, 500_000.0)),
            )  # fmt: skip
            return Storm(at_s=at_s, for_s=for_s, weather=weather, source=rng.choice((None, node)))
        case "pause":
            return Pause(at_s=at_s, for_s=for_s, node=node)
        case "starve":
            return Starve(at_s=at_s, for_s=for_s, node=node, least_s=0.5, most_s=2.5)
        case "slow":
            return Slow(at_s=at_s, for_s=for_s, node=node, turn_s=rng.choice((0.005, 0.05)))
        case "crash":
            return Crash(at_s=at_s, for_s=for_s, node=node, disk=rng.choice(("kept", "kept", "lost")))
        case "power":
            return Crash(at_s=at_s, for_s=for_s, node=node, host=True, disk="unsynced-lost")
        case "cut":
            return LinkCut(at_s=at_s, one=node, other=other)
        case "half-open":
            return LinkCut(at_s=at_s, one=node, other=other, silently=True)
        case "flap":
            return Flap(at_s=at_s, for_s=for_s, one=node, other=other, every_s=rng.choice((0.05, 0.1, 0.5)))
        case "skew":
            return Skew(
                at_s=at_s,
                node=node,
                offset_s=rng.choice((-5.0, 0.3, 60.0, 315_360_000.0)),
                drift=rng.choice((0.0, 0.01)),
            )
        case "disk-full":
            return DiskFull(at_s=at_s, for_s=for_s, node=node)
        case "slow-disk":
            return SlowDisk(at_s=at_s, for_s=for_s, node=node, slow_s=rng.choice((0.02, 0.2, 1.0)))
