"""The scenarios of the store: what a restart must find, and what a disk does to those who trust it.

Their docstrings say which plausible design they break. Those of weather of all kinds are in ``scenarios``, those that
aim at one wrong turn of the protocol in ``aimed``.
"""

from __future__ import annotations

from random import Random
from typing import Final

from meshq.config import BrokerConfig
from meshq.sim.consumer import ConsumerHabits
from meshq.sim.crowd import POLITE, crowd, some
from meshq.sim.faults import Crash, DiskFull, Fault, LinkCut, SlowDisk
from meshq.sim.publisher import PublisherHabits
from meshq.sim.scenario import scenario
from meshq.sim.stage import Settings, Stage

DOWN_S: Final = (0.02, 0.5, 2.0, 6.0)


def _synced() -> Settings:
    return Settings(level="fsync")


@scenario("power-storm", active_s=20.0, settings=_synced)
def power_storm(stage: Stage) -> list[Fault]:
    """Every publish asks for level fsync; hosts lose their power and processes crash, often two at a time, and find
    what was synced. Breaks confirming what is committed only, answers before the sync, numbers used twice after
    a loss, and finishes that a loss takes back for good."""
    rng = stage.rng("power")
    crowd(stage, consumers=3, delay_share=0.1)
    return _storm(rng, stage.names, power=0.7)


@scenario("origin-storm", active_s=20.0)
def origin_storm(stage: Stage) -> list[Fault]:
    """Origins are killed and start again under load, again and again, some within the time of a commit; disks are kept.
    Breaks confirming before the commit, cursors and finishes that are forgotten, logs that are not
    served after a restart or never end, and a store that does not know its channels."""
    rng = stage.rng("origins")
    crowd(stage, topics=("orders", "clicks"), consumers=2, every_s=0.3, habits=POLITE)
    moody = ConsumerHabits(messages=32, handle_s=(0.05, 0.4), requeue=0.2, hold=0.05, timeout_ms=1_500)
    for channel in ("billing", "audit"):
        stage.consumer(rng.choice(stage.names), "orders", channel, moody)
    return _storm(rng, stage.names, power=0.0)


def _storm(rng: Random, nodes: list[str], *, power: float) -> list[Fault]:
    """Crashes of hosts (that share of them) and of processes, sometimes of one that is just back."""
    plan: list[Fault] = []
    at_s = 1.0
    while at_s < 17.0:
        node, host = rng.choice(nodes), rng.random() < power
        disk = "unsynced-lost" if host else "kept"
        plan.append(Crash(at_s=round(at_s, 3), for_s=rng.choice(DOWN_S), node=node, host=host, disk=disk))  # type: ignore[arg-type]
        at_s += rng.choice((0.3, 1.0, 2.5)) * rng.uniform(0.5, 1.5)
    return plan


def _tiny() -> Settings:
    """Room in memory for a hundred messages."""
    return Settings(
        broker=BrokerConfig(memory_bytes_max=200_000, window_topic_bytes_max=8_000, window_bytes_max=16_000)
    )


@scenario("spilling", active_s=15.0, settings=_tiny)
def spilling(stage: Stage) -> list[Fault]:
    """Much more is published than memory has room for, to a fast channel, a slow one, one that comes late and one that
    is away for a while; in every other run origins crash and all disks are full for a second. Breaks batches that leave
    memory before they are committed, loads that skip, repeat or starve a channel, and budgets that one channel eats
    up."""
    rng = stage.rng("spill")
    for node in some(rng, stage.names, 2):
        for _ in range(2):
            stage.publisher(node, PublisherHabits(topics=("orders",), every_s=0.05, size_bytes=2_000, delay_share=0.02))
    for node in some(rng, stage.names, 2):
        stage.consumer(node, "orders", "fast", ConsumerHabits(messages=256, handle_s=(0.001, 0.01)))
    slow = ConsumerHabits(messages=rng.choice((4, 32)), handle_s=(0.05, 0.2), requeue=0.05)
    stage.consumer(rng.choice(stage.names), "orders", "slow", slow)
    stage.consumer(rng.choice(stage.names), "orders", "late", POLITE, late_s=rng.uniform(3.0, 9.0))
    away = ConsumerHabits(messages=64, handle_s=(0.001, 0.02), leave_every_s=2.0, away_s=3.0)
    stage.consumer(rng.choice(stage.names), "orders", "away", away)
    if rng.random() < 0.5:
        return []
    crashes: list[Fault] = [
        Crash(at_s=rng.uniform(2.0, 13.0), for_s=rng.choice(DOWN_S), node=rng.choice(stage.names)) for _ in range(4)
    ]
    return crashes + [DiskFull(at_s=rng.uniform(4.0, 10.0), for_s=1.0, node=node) for node in stage.names]


@scenario("finish-after-restart", active_s=12.0)
def finish_after_restart(stage: Stage) -> list[Fault]:
    """An origin crashes and starts again while consumers elsewhere work on what it lent them; they finish it over the
    new link. Breaks finishes of an earlier start that are refused or taken for another message's, and a restart that
    lends at once what its holder is about to finish, and counts that twice."""
    rng = stage.rng("finish")
    node = rng.choice(stage.names)
    others = [name for name in stage.names if name != node] or [node]
    for _ in range(2):
        stage.publisher(node, PublisherHabits(topics=("orders",), every_s=0.06, batch_max=4))
    for channel in ("billing", "audit"):
        for other in some(rng, others, 2):
            stage.consumer(other, "orders", channel, ConsumerHabits(messages=32, handle_s=(0.1, 1.5), requeue=0.05))
    plan: list[Fault] = [
        Crash(at_s=at_s, for_s=rng.choice((0.01, 0.2, 1.0)), node=node)
        for at_s in sorted(rng.uniform(1.0, 10.0) for _ in range(4))
    ]
    cuts = [LinkCut(at_s=rng.uniform(1.0, 10.0), one=node, other=rng.choice(others)) for _ in range(2)]
    return plan + [cut for cut in cuts if cut.one != cut.other]


@scenario("deferred-over-restarts", active_s=14.0, settle_s=150.0)
def deferred_over_restarts(stage: Stage) -> list[Fault]:
    """Half of all messages are published with a delay and many are requeued with one, while their origins crash, lose
    their power and stay down past due times. Breaks due times kept in memory only, times of a clock that begins anew
    with its host, attempts that are forgotten, and what became due while nobody was there."""
    rng = stage.rng("deferred")
    stage.keep_at(rng.choice(("disk", "fsync")))
    for node in stage.names:
        later = PublisherHabits(topics=("orders",), every_s=0.25, delay_share=0.5, delay_ms_max=6_000)
        stage.publisher(node, later)
    # Beyond the minute for which due messages are in memory.
    long = PublisherHabits(topics=("orders",), every_s=0.7, delay_share=1.0, delay_ms_max=75_000, batch_max=3)
    far = rng.choice(stage.names)
    stage.publisher(far, long)
    habits = ConsumerHabits(messages=32, handle_s=(0.01, 0.1), requeue=0.3, requeue_ms_max=3_000)
    for channel in ("billing", "audit"):
        for node in some(rng, stage.names, 2):
            stage.consumer(node, "orders", channel, habits)
    plan: list[Fault] = [
        Crash(at_s=at_s, for_s=rng.choice(DOWN_S), node=rng.choice(stage.names), host=stage.level == "fsync")
        for at_s in sorted(rng.uniform(1.0, 12.0) for _ in range(5))
    ]
    return [SlowDisk(at_s=0.0, for_s=13.0, node=far, slow_s=2.0), *plan] if rng.random() < 0.3 else plan


@scenario("disk-full", active_s=16.0)
def disk_full(stage: Stage) -> list[Fault]:
    """Disks are full for seconds or slow, under load, and some of their nodes crash meanwhile. Breaks confirming what
    could not be written, a node that dies of a full disk or never notices that it has room again,
    and rows that are lost because the batch beside them was."""
    rng = stage.rng("disks")
    stage.keep_at(rng.choice(("disk", "fsync")), rng.choice((0, 30_000)))
    crowd(stage, consumers=2, every_s=0.15, delay_share=0.1, habits=POLITE)
    plan: list[Fault] = []
    for _ in range(5):
        node, at_s = rng.choice(stage.names), rng.uniform(1.0, 11.0)
        plan.append(
            DiskFull(at_s=at_s, for_s=rng.choice((0.2, 1.5, 4.0)), node=node)
            if rng.random() < 0.7
            else SlowDisk(at_s=at_s, for_s=3.0, node=node, slow_s=rng.choice((0.05, 0.5)))
        )
        if rng.random() < 0.4:
            plan.append(Crash(at_s=at_s + rng.uniform(0.0, 2.0), for_s=rng.choice((0.02, 1.0)), node=node))
    return sorted(plan, key=lambda fault: fault.at_s)


@scenario("blackout", active_s=16.0)
def blackout(stage: Stage) -> list[Fault]:
    """All hosts lose their power at the same moment, twice, and come back one after the other. Breaks what every node
    learns anew from another one: names, generations, peers, epochs; and a first node that is back alone and believes
    that nothing ever existed."""
    rng = stage.rng("blackout")
    stage.keep_at(rng.choice(("disk", "fsync")))
    crowd(stage, topics=("orders", "clicks"), consumers=1, every_s=0.4, delay_share=0.1, habits=POLITE)
    return [
        Crash(at_s=at_s, for_s=rng.uniform(0.2, 4.0), node=node, host=True, disk="unsynced-lost")
        for at_s in (rng.uniform(3.0, 5.0), rng.uniform(9.0, 11.0))
        for node in stage.names
    ]
