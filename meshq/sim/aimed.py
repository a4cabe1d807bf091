"""The scenarios that aim at one wrong turn each. Their docstrings say which plausible design they break.

Those of weather of all kinds are in ``scenarios``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from meshq.config import BrokerConfig, LinkConfig, MembershipConfig, RoutingConfig
from meshq.sim.checkers.answered import Answered
from meshq.sim.checkers.attempts import NoAttempts
from meshq.sim.checkers.calm import NobodyAccused
from meshq.sim.checkers.fencing import OneOfAName
from meshq.sim.checkers.handed import HandedOnce
from meshq.sim.checkers.living import NobodyBuried
from meshq.sim.checkers.noticed import Noticed
from meshq.sim.checkers.prompt import Prompt
from meshq.sim.checkers.timeouts import NoTimeouts
from meshq.sim.consumer import ConsumerHabits
from meshq.sim.crowd import POLITE, crowd, pair, some
from meshq.sim.faults import Crash, Drain, Fault, Flap, LinkCut, Partition, Pause, Skew
from meshq.sim.network import Weather
from meshq.sim.publisher import PublisherHabits
from meshq.sim.scenario import scenario
from meshq.sim.stage import Settings, Stage

TEN_YEARS_S = 315_360_000.0


def _forgetful() -> Settings:
    return Settings(level="memory")


@scenario("late-finish", active_s=12.0, settings=_forgetful)
def late_finish(stage: Stage) -> list[Fault]:
    """An origin without a store crashes and starts again at once, forgetting which numbers it gave; consumers
    elsewhere still finish what the earlier start lent them. Breaks numbers without the epoch of who gave them: the
    late finish would be taken for a new message, which is then lost."""
    rng = stage.rng("late")
    node = rng.choice(stage.names)
    others = [name for name in stage.names if name != node]
    for _ in range(2):
        stage.publisher(node, PublisherHabits(topics=("orders",), every_s=0.04, batch_max=4))
    for channel in ("billing", "audit"):
        for other in some(rng, others, 2):
            stage.consumer(other, "orders", channel, ConsumerHabits(messages=32, handle_s=(0.1, 1.5)))
    return [
        Crash(at_s=at_s, for_s=rng.choice((0.01, 0.2)), node=node, disk="kept")
        for at_s in sorted(rng.uniform(1.0, 10.0) for _ in range(4))
    ]


@scenario("flapping-link", active_s=12.0, more=(NoAttempts, NobodyBuried))
def flapping_link(stage: Stage) -> list[Fault]:
    """The link between an origin and a consumer's node is cut each 100 ms under load. Breaks counting a lost link
    as an attempt: a limit of five attempts would give up messages that nobody ever saw. Nothing here may count as
    one."""
    rng = stage.rng("flap")
    one, other = pair(rng, stage.names)
    stage.publisher(one, PublisherHabits(topics=("orders",), every_s=0.02))
    stage.publisher(other, PublisherHabits(topics=("orders",), every_s=0.05))
    for node in (other, other, one):
        stage.consumer(node, "orders", "billing", ConsumerHabits(messages=16, handle_s=(0.001, 0.3)))
    return [Flap(at_s=0.5, for_s=10.0, one=one, other=other, every_s=0.1)]


@scenario("one-credit", active_s=15.0, more=(Prompt,))
def one_credit(stage: Stage) -> list[Fault]:
    """A consumer with room for one message, another with room for a few, and an origin at every node of which only
    one, changing, has any. Breaks credit split among origins, kept by the idle, or returned in lumps: the busy one
    would wait for ever."""
    rng = stage.rng("one")
    for channel, messages in (("billing", 1), ("audit", rng.choice((2, 3, 5)))):
        habits = ConsumerHabits(messages=messages, handle_s=(0.000_5, 0.002))
        stage.consumer(rng.choice(stage.names), "orders", channel, habits)
    publishers = [
        stage.publisher(node, PublisherHabits(topics=("orders",), every_s=0.02, batch_max=3)) for node in stage.names
    ]
    at_s, busy = 0.0, 0
    while at_s < 15.0:
        for number, publisher in enumerate(publishers):
            stage.act(at_s, publisher.hush, number != busy)
        at_s, busy = at_s + rng.uniform(0.2, 1.5), (busy + 1) % len(publishers)
    return []


@scenario("wrong-clocks", active_s=15.0)
def wrong_clocks(stage: Stage) -> list[Fault]:
    """Wall clocks are ten years ahead, five seconds behind, jump and drift, and a node restarts with an earlier
    clock than before, its disk kept or lost. Breaks orders by wall time, ages from clocks that must agree, epochs that
    are only clocks, and deferred messages that wait for ten years."""
    rng = stage.rng("clocks")
    crowd(stage, delay_share=0.3)
    plan: list[Fault] = [
        Skew(at_s=0.0, node=rng.choice(stage.names), offset_s=TEN_YEARS_S),
        Skew(at_s=0.0, node=rng.choice(stage.names), offset_s=-5.0, drift=0.01),
    ]
    node = rng.choice(stage.names)
    plan.append(Skew(at_s=4.0, node=node, offset_s=TEN_YEARS_S))
    plan.append(Crash(at_s=6.0, for_s=1.0, node=node, disk=rng.choice(("kept", "lost"))))
    plan.append(Skew(at_s=6.5, node=node, offset_s=-5.0))
    plan.append(Crash(at_s=10.0, for_s=1.0, node=rng.choice(stage.names)))
    return plan


@scenario("split-catalog", active_s=20.0)
def split_catalog(stage: Stage) -> list[Fault]:
    """While the mesh is parted, both halves subscribe to new topics, delete them and create them again. Breaks
    catalogs merged by time, deletes that win for ever, and channels that exist on one side only after the halves
    have met."""
    rng = stage.rng("split")
    crowd(stage, every_s=0.2)
    half = tuple(rng.sample(stage.names, len(stage.names) // 2))
    rest = tuple(name for name in stage.names if name not in half)
    stage.forgiven |= {"news", "gossip"}
    for topic in ("news", "gossip"):
        for side in (half, rest):
            stage.publisher(rng.choice(side), PublisherHabits(topics=(topic,), every_s=0.3))
            stage.consumer(rng.choice(side), topic, "all", POLITE, late_s=rng.uniform(0.0, 9.0))
            admin = stage.admin(rng.choice(side))
            for _ in range(3):
                what = {"topic": topic} if rng.random() < 0.5 else {"topic": topic, "channel": "all"}
                stage.act(rng.uniform(1.0, 12.0), admin.ask, rng.choice(("delete", "delete", "create")), what)
    return [Partition(at_s=2.0, for_s=rng.uniform(6.0, 12.0), groups=(rest, half))]


def _reordered() -> Settings:
    """A window longer than news take and shorter than the backlog is old."""
    return Settings(
        weather=Weather(latency_s=0.01, jitter_s=0.1, reordering=0.5, reorder_s=1.0, duplication=0.2),
        broker=BrokerConfig(window_s=3.0),
    )


def _losing() -> Settings:
    return Settings(weather=Weather(latency_s=0.01, jitter_s=0.05, loss=0.1, reordering=0.2, reorder_s=0.2))


@scenario("subscribing", active_s=12.0, settings=_losing, more=(Answered,))
def subscribing(stage: Stage) -> list[Fault]:
    """New channels at every node, one soon after the other, and consumers that leave and come back, while packets are
    lost and reordered. Breaks a barrier that ends with the answer to something older, news that are told once, and
    interest that stays when its consumers have gone."""
    rng = stage.rng("subscribing")
    stage.publisher(rng.choice(stage.names), PublisherHabits(topics=("orders",), every_s=0.2))
    for number in range(20):
        habits = replace(POLITE, leave_every_s=rng.choice((0.0, 1.0)), away_s=0.2)
        node = stage.names[number // 4 % len(stage.names)]
        stage.consumer(node, "orders", f"c{number}", habits, late_s=1.0 + number // 4 + number % 4 * 0.02)
    return []


@scenario("deleted-across", active_s=20.0)
def deleted_across(stage: Stage) -> list[Fault]:
    """While the mesh is parted one half deletes a topic, and the other goes on publishing to it, without a consumer.
    Breaks a delete that takes along what was published after it."""
    rng = stage.rng("deleted")
    names = rng.sample(stage.names, len(stage.names))
    half, rest = tuple(names[: len(names) // 2]), tuple(names[len(names) // 2 :])
    stage.consumer(half[0], "orders", "billing", POLITE)
    stage.publisher(rest[0], PublisherHabits(topics=("orders",), every_s=0.2))
    admin, deleted_s = stage.admin(half[-1]), rng.uniform(3.0, 6.0)
    stage.act(deleted_s, admin.ask, "delete", {"topic": "orders"})
    stage.act(deleted_s + 1.5, stage.owe_from_now, "orders", "billing")
    return [Partition(at_s=2.0, for_s=rng.uniform(7.0, 12.0), groups=(rest, half))]


@scenario("first-channels", active_s=12.0, settings=_reordered)
def first_channels(stage: Stage) -> list[Fault]:
    """A topic has a backlog and no channel; two channels are then created at once at different nodes, and gossip
    about them is reordered. Breaks giving the backlog to the channel that is heard of first: each origin would
    choose for itself, and the other channel would miss it."""
    rng = stage.rng("first")
    for node in stage.names:
        stage.publisher(node, PublisherHabits(topics=("orders",), every_s=0.1))
    at_s = rng.uniform(6.0, 9.0)
    for channel, node in zip(("billing", "audit"), pair(rng, stage.names), strict=True):
        stage.consumer(node, "orders", channel, POLITE, late_s=at_s + rng.uniform(0.0, 0.05))
        stage.owe_everything("orders", channel)
    return []


@scenario("refutation", active_s=30.0)
def refutation(stage: Stage) -> list[Fault]:
    """A node with consumers stands still until it is held dead, goes on and refutes, in the same epoch and with the
    same interest version. Breaks interest that is deleted with the dead: nobody would announce it again, and its
    consumers would get nothing."""
    rng = stage.rng("refute")
    node = rng.choice(stage.names)
    for name in stage.names:
        stage.publisher(name, PublisherHabits(topics=("orders",), every_s=0.2))
    stage.consumer(node, "orders", "billing", POLITE)
    return [Pause(at_s=1.0, for_s=rng.uniform(12.0, 20.0), node=node)]


@scenario("resumed", active_s=35.0, more=(OneOfAName,))
def resumed(stage: Stage) -> list[Fault]:
    """A machine stands still, a replacement of the same name starts elsewhere, then the first goes on. Breaks
    designs that trust a name: two nodes would own one name's interest and answer for each other. The earlier start
    must end with an error."""
    rng = stage.rng("resumed")
    node = rng.choice(stage.names)
    crowd(stage, every_s=0.2, habits=POLITE)
    twin = stage.twin(node)
    for_s = rng.choice((rng.uniform(1.0, 4.0), rng.uniform(10.0, 18.0)))
    stage.act(1.0 + rng.uniform(0.0, for_s - 0.5), stage.fleet.restart, twin)
    return [Pause(at_s=1.0, for_s=for_s, node=node)]


@scenario("forgetful-holder", active_s=12.0, more=(Noticed,))
def forgetful_holder(stage: Stage) -> list[Fault]:
    """A node forgets an extent that it was lent (as a bug would). Breaks leases that live as long as their link:
    origin and holder state with each heartbeat what they hold, and one difference ends the session and brings
    everything back."""
    rng = stage.rng("forget")
    one, other = pair(rng, stage.names)
    stage.publisher(one, PublisherHabits(topics=("orders",), every_s=0.02))
    stage.consumer(other, "orders", "billing", ConsumerHabits(messages=32, handle_s=(0.01, 0.1)))
    for at_s in (2.0, 5.0, 8.0):
        stage.act(at_s, stage.forget_extent, other, one)
    return []


@scenario("drain-killed", active_s=20.0, more=(HandedOnce,))
def drain_killed(stage: Stage) -> list[Fault]:
    """A node with a backlog drains while one of its two channels is finished and the other is slow, and is killed
    in the middle. Breaks a drain that counts a message as gone when one channel has it, and one that says "nothing
    left" too early."""
    rng = stage.rng("drain")
    node = rng.choice(stage.names)
    others = [name for name in stage.names if name != node]
    stage.publisher(node, PublisherHabits(topics=("orders",), every_s=0.03), roaming=True)
    stage.consumer(rng.choice(others), "orders", "billing", POLITE)
    stage.consumer(rng.choice(others), "orders", "audit", ConsumerHabits(messages=8, handle_s=(0.05, 0.3)))
    drain = Drain(at_s=3.0, for_s=8.0, node=node, timeout_s=5.0)
    if rng.random() < 0.5:
        return [drain]
    return [replace(drain, for_s=0.0), Crash(at_s=3.0 + rng.uniform(0.05, 3.0), for_s=4.0, node=node)]


@scenario("busy", active_s=15.0, more=(Prompt, NobodyAccused, NoTimeouts))
def busy(stage: Stage) -> list[Fault]:
    """No fault, but consumers that take their time: one beside the publisher has room for little and is slow, one
    lowers and raises its capacity, one works for longer than the message timeout and touches in time, one requeues
    with a delay. A fast one elsewhere has room. Breaks waiting for a consumer that is nearer, capacity that shrinks and
    gives nothing back, a touch that does nothing, and delays that are forgotten."""
    rng = stage.rng("busy")
    near, *others = rng.sample(stage.names, len(stage.names))
    far = others or [near]
    for node in (near, far[0]):
        stage.publisher(node, PublisherHabits(topics=("orders",), every_s=0.05, batch_max=6))
    slow = ConsumerHabits(messages=2, handle_s=(0.5, 1.5), split=0.0)
    touching = ConsumerHabits(messages=4, handle_s=(0.6, 0.9), touch=1.0, timeout_ms=1_000, split=0.0)
    moody = ConsumerHabits(messages=64, handle_s=(0.2, 2.0), resize_every_s=0.5)
    fast = ConsumerHabits(messages=256, handle_s=(0.001, 0.005), requeue=0.05)
    for node, habits in ((near, slow), (far[0], moody), (far[-1], touching), (far[len(far) // 2], fast)):
        stage.consumer(node, "orders", "billing", habits)
    # Four at a time at most, so that there is always room for the next: it need not wait for more to come free.
    stage.publisher(far[0], PublisherHabits(topics=("reports",), every_s=1.2, batch_max=1))
    stage.consumer(far[-1], "reports", "print", ConsumerHabits(messages=4, handle_s=(1.5, 2.0), split=0.0))
    return []


@scenario("gone", active_s=25.0)
def gone(stage: Stage) -> list[Fault]:
    """Of five nodes two are gone for good, one with its host, one alone. Breaks suspicions that never end, dead who
    live on in rumours, and leases and interest that outlive them."""
    rng = stage.rng("gone")
    crowd(stage)
    lost = rng.sample(stage.names, len(stage.names) * 2 // 5)
    stage.retired |= {*lost}
    return [Crash(at_s=2.0 + number + rng.random(), node=node, host=number == 0) for number, node in enumerate(lost)]


def _patient() -> Settings:
    """Links that wait for ever, in all that a run lasts."""
    return Settings(link=LinkConfig(silent_s=100.0))


@scenario("silent-host", active_s=25.0, settings=_patient)
def silent_host(stage: Stage) -> list[Fault]:
    """A host dies with messages in its hands, where links bear silence for longer than the run. Breaks a verdict that
    frees no leases: what the dead held would wait for its link."""
    rng = stage.rng("silent")
    one, other, *rest = rng.sample(stage.names, len(stage.names))
    stage.publisher(one, PublisherHabits(topics=("orders",), every_s=0.1))
    stage.consumer((*rest, one)[0], "orders", "billing", POLITE)
    stage.consumer(other, "orders", "billing", ConsumerHabits(messages=32, handle_s=(0.5, 2.0)))
    stage.retired |= {other}
    return [Crash(at_s=rng.uniform(2.0, 6.0), node=other, host=True)]


LONG: Final = "x" * 50


@scenario("long-catalog", active_s=12.0)
def long_catalog(stage: Stage) -> list[Fault]:
    """There are so many names, and such long ones, that a newcomer takes the catalog in several parts; nodes restart.
    Breaks a newcomer that serves with the first part."""
    rng = stage.rng("long")
    crowd(stage, topics=("zebras",), every_s=0.3, habits=POLITE)
    admin = stage.admin(stage.names[0])
    for number in range(500):
        what = {"topic": f"topic-{number // 50}-{LONG}", "channel": f"channel-{number}-{LONG}"}
        stage.act(0.1 + number * 0.004, admin.ask, "create", what)
    return [Crash(at_s=at_s, for_s=0.5, node=rng.choice(stage.names[1:]), disk="lost") for at_s in (4.0, 7.0, 10.0)]


def _far() -> Settings:
    return Settings(weather=Weather(latency_s=0.08, jitter_s=0.02))


@scenario("overtime", active_s=12.0, settings=_far)
def overtime(stage: Stage) -> list[Fault]:
    """Handlers take longer than the message timeout, do not touch, and finish all the same, while others at the same
    node and elsewhere have the message again; nodes are far from each other, and links are cut now and then. Breaks
    finishes that are lost with a link, late finishes that close too much
    or too little, and messages that come back though they are finished."""
    rng = stage.rng("overtime")
    origin, *others = rng.sample(stage.names, len(stage.names))
    places = others or [origin]
    stage.publisher(origin, PublisherHabits(topics=("orders",), every_s=0.1, batch_max=6))
    late = ConsumerHabits(messages=16, handle_s=(0.05, 1.2), timeout_ms=500, split=0.5)
    for node in (places[0], places[0], places[-1], origin):
        stage.consumer(node, "orders", "billing", late)
    cuts = sorted(rng.uniform(1.0, 11.0) for _ in range(6))
    return [LinkCut(at_s=at_s, one=origin, other=rng.choice((places[0], places[-1]))) for at_s in cuts]


def _tight() -> Settings:
    """Room for next to nothing. FINs keep theirs: what forgets one may deliver again, which is another story.

    Everybody knows everybody as a seed, so that nobody serves alone: for what was published there meanwhile a small
    window is an exception that the promise names.
    """
    return Settings(
        level="memory",
        seeds=4,
        membership=MembershipConfig(rumours_max=4, dead_max=2),
        routing=RoutingConfig(tombstones_max=3, interest_max=8),
        broker=BrokerConfig(
            memory_bytes_max=60_000, topic_messages_max=150, window_topic_bytes_max=4_000, window_bytes_max=6_000,
            late_fins_max=2,
        ),
    )  # fmt: skip


@scenario("full", active_s=20.0, settings=_tight)
def full(stage: Stage) -> list[Fault]:
    """More is published than slow consumers take, at nodes with little room for messages, rumours, names and the
    dead, while names are created and deleted and nodes crash. Breaks queues and tables without a bound, bounds that
    drop what was confirmed, and a full node that never recovers."""
    rng = stage.rng("full")
    for node in stage.names:
        habits = PublisherHabits(topics=("orders", "clicks"), every_s=0.15, size_bytes=rng.choice((40, 400)))
        stage.publisher(node, habits)
    for channel in ("billing", "audit"):
        for topic in ("orders", "clicks"):
            for node in some(rng, stage.names, 2):
                slow = ConsumerHabits(messages=6, handle_s=(0.2, 0.8), hold=0.1, timeout_ms=1_500)
                stage.consumer(node, topic, channel, slow)
    admin = stage.admin(rng.choice(stage.names))
    for number in range(12):
        stage.act(1.0 + number, admin.ask, "create", {"topic": f"brief-{number}", "channel": "all"})
        stage.act(1.5 + number, admin.ask, "delete", {"topic": f"brief-{number}"})
    return [
        Crash(at_s=at_s, for_s=rng.choice((0.5, 4.0, 9.0)), node=rng.choice(stage.names))
        for at_s in sorted(rng.uniform(2.0, 16.0) for _ in range(4))
    ]
