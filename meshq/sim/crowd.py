"""Who takes part in scenarios that do not care: publishers everywhere, and consumers of all manners by lot."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from meshq.sim.consumer import ConsumerHabits
from meshq.sim.publisher import PublisherHabits
from meshq.sim.stage import Stage


def crowd(
    stage: Stage,
    *,
    topics: Sequence[str] = ("orders",),
    channels: Sequence[str] = ("billing", "audit"),
    consumers: int = 2,
    every_s: float = 0.2,
    habits: ConsumerHabits | None = None,
    delay_share: float = 0.0,
    publishers: int | None = None,
) -> None:
    """A publisher at every node, or so many at nodes drawn by lot, and ``consumers`` of each channel.

    Where the level is disk, some publishers ask for another.
    """
    rng, levels = stage.rng("crowd"), stage.rng("levels")
    for node in stage.names if publishers is None else some(rng, stage.names, publishers):
        remote = rng.random() < 0.3
        level = levels.choice(("", "", "", "memory", "fsync")) if stage.level == "disk" else ""
        stage.publisher(
            node,
            PublisherHabits(topics=tuple(topics), every_s=every_s, delay_share=delay_share, level=level),
            remote=remote,
            roaming=remote,
        )
    for topic in topics:
        for channel in channels:
            for node in some(rng, stage.names, consumers):
                chosen = habits or _habits(rng)
                stage.consumer(node, topic, channel, chosen, remote=rng.random() < 0.3, roaming=rng.random() < 0.5)


def _habits(rng: Random) -> ConsumerHabits:
    """A consumer as one meets them: capacity, speed and manners drawn by lot."""
    slow_s = rng.choice((0.002, 0.02, 0.2))
    return ConsumerHabits(
        messages=rng.choice((1, 4, 64, 512)) if slow_s < 0.2 else rng.choice((64, 512)),
        handle_s=(slow_s / 4, slow_s),
        requeue=rng.choice((0.0, 0.05)),
        give_back=rng.choice((0.0, 0.05)),
        hold=rng.choice((0.0, 0.0, 0.02)),
        touch=rng.choice((0.0, 0.1)),
        leave_every_s=rng.choice((0.0, 0.0, 4.0)),
        resize_every_s=rng.choice((0.0, 0.0, 1.0)),
    )


def some(rng: Random, names: Sequence[str], count: int) -> list[str]:
    """``count`` names by lot, as evenly as it goes."""
    drawn: list[str] = []
    while len(drawn) < count:
        drawn += rng.sample(list(names), min(count - len(drawn), len(names)))
    return drawn


def pair(rng: Random, names: Sequence[str]) -> tuple[str, str]:
    """Two different names by lot."""
    one, other = rng.sample(list(names), 2)
    return one, other


POLITE = ConsumerHabits(handle_s=(0.001, 0.02))
