"""The scenarios of somebody who manages topics and channels while things go wrong: pauses, limits, emptying.

Their docstrings say which plausible design they break.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

from meshq.config import RoutingConfig
from meshq.sim.checkers.emptied import Emptied
from meshq.sim.checkers.latest import Latest
from meshq.sim.consumer import ConsumerHabits
from meshq.sim.crowd import POLITE, crowd, some
from meshq.sim.faults import Crash, Fault, Partition
from meshq.sim.network import Weather
from meshq.sim.publisher import PublisherHabits
from meshq.sim.scenario import scenario
from meshq.sim.stage import Settings, Stage

NAMES: Final = ({"topic": "orders"}, {"topic": "orders", "channel": "billing"}, {"topic": "orders", "channel": "audit"})


@scenario("paused-across", active_s=20.0)
def paused_across(stage: Stage) -> list[Fault]:
    """While the mesh is parted, administrators on both sides pause, resume and set a topic and its channels, then a
    node restarts; when all is mended everything goes on. Breaks settings that are told once or merged by arrival, a
    pause that one origin does not hear of, and one that lends what is on its way to a writer."""
    rng = stage.rng("paused")
    crowd(stage, every_s=0.2, consumers=3)
    half = tuple(rng.sample(stage.names, len(stage.names) // 2))
    rest = tuple(name for name in stage.names if name not in half)
    admins = [stage.admin(rng.choice(side)) for side in (half, rest)]
    for admin in admins:
        for _ in range(8):
            kind, more = _verb(rng)
            stage.act(rng.uniform(1.0, 14.0), admin.ask, kind, {**rng.choice(NAMES), **more})
    crash = Crash(at_s=rng.uniform(15.0, 18.0), for_s=1.0, node=rng.choice(stage.names))
    return [Partition(at_s=2.0, for_s=rng.uniform(6.0, 12.0), groups=(rest, half)), crash]


def _verb(rng: Random) -> tuple[str, dict[str, Any]]:
    settings = rng.choice(({"attempts_max": rng.randint(50, 60)}, {"attempts_max": None}, {"messages_max": 100_000}))
    return rng.choice((("pause", {}), ("pause", {}), ("resume", {}), ("configure", {"settings": settings})))


@scenario("emptied-across", active_s=24.0, more=(Emptied,))
def emptied_across(stage: Stage) -> list[Fault]:
    """A channel without consumers is emptied on one side of a partition, and published to on both sides before and
    after; consumers come once the halves have met. Breaks an empty that takes what was published after it, one that
    spares what lies across, and one that is done again whenever it is heard."""
    rng = stage.rng("emptied")
    for node in stage.names:
        stage.publisher(node, PublisherHabits(topics=("orders",), every_s=0.2))
    stage.consumer(rng.choice(stage.names), "orders", "audit", POLITE)
    half = tuple(rng.sample(stage.names, len(stage.names) // 2))
    rest = tuple(name for name in stage.names if name not in half)
    admin = stage.admin(rng.choice(half))
    billing = {"topic": "orders", "channel": "billing"}
    for at_s in (0.5, 1.0):
        stage.act(at_s, admin.ask, "create", billing)
    emptied_s, for_s = rng.uniform(4.0, 7.0), rng.uniform(7.0, 10.0)
    stage.act(emptied_s, admin.ask, "empty", billing)
    stage.act(emptied_s, stage.emptied, "orders", "billing")
    for node in some(rng, stage.names, 2):
        stage.consumer(node, "orders", "billing", POLITE, late_s=21.0)
    return [Partition(at_s=2.0, for_s=for_s, groups=(rest, half))]


@scenario("limited", active_s=18.0, more=(Latest,))
def limited(stage: Stage) -> list[Fault]:
    """More is published than somebody allows: of one topic the publish is refused until slow consumers have caught up,
    of another the oldest messages make room, and its consumer comes at the end. Breaks limits that are looked at too
    late, that count only what waits, that drop the newest or what is lent, and refusals that never end."""
    rng = stage.rng("limited")
    for node in stage.names:
        stage.publisher(node, PublisherHabits(topics=("orders", "latest"), every_s=0.1))
    for node in some(rng, stage.names, 2):
        slow = ConsumerHabits(messages=8, handle_s=(0.1, 0.6))
        stage.consumer(node, "orders", "billing", slow)
        stage.consumer(node, "latest", "screen", slow, late_s=15.0)
    admin = stage.admin(rng.choice(stage.names))
    orders = {"topic": "orders", "channel": "billing"}
    latest = {"topic": "latest", "channel": "screen"}
    stage.forgiven.add("latest")
    settings = {"messages_max": Latest.KEPT, "full": "drop_oldest"}
    for at_s in (0.0, 0.5):
        stage.act(at_s, admin.ask, "configure", {**orders, "settings": {"messages_max": rng.randint(20, 60)}})
        stage.act(at_s, admin.ask, "create", {**latest, "settings": settings})
    return []


def _brief() -> Settings:
    """Topics go after three seconds, and news take a twentieth of one."""
    return Settings(routing=RoutingConfig(topic_unused_s=3.0), weather=Weather(latency_s=0.05, jitter_s=0.01))


@scenario("unused-topics", active_s=14.0, settings=_brief)
def unused_topics(stage: Stage) -> list[Fault]:
    """Topics are created and used by nobody, until just about when they go by themselves; then each is published to at
    another node, and consumers come last. Breaks an end by itself that takes along what was published in the moment
    before it is heard of, and a topic that goes while it has messages."""
    rng = stage.rng("unused")
    admin = stage.admin(rng.choice(stage.names))
    for number in range(12):
        topic, at_s = f"rare-{number}", 0.5 + number * 0.1
        node = rng.choice(stage.names)
        publisher = stage.publisher(node, PublisherHabits(topics=(topic,), every_s=0.02, messages_max=8))
        stage.act(at_s, admin.ask, "create", {"topic": topic})
        stage.late[publisher.name] = at_s + 3.1 + rng.uniform(-0.15, 0.15)
        stage.act(stage.late[publisher.name], publisher.start)
        stage.consumer(rng.choice(stage.names), topic, "all", POLITE, late_s=12.0)
        stage.act(0.0, stage.owe_everything, topic, "all")
    return []
