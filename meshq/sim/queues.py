"""The scenarios of a work queue: poison, messages that are wanted for a time only, publishes repeated under an id,
ordering keys, priorities.

Their docstrings say which plausible design they break.
"""

from __future__ import annotations

from meshq.config import BrokerConfig
from meshq.names import DEAD_CHANNEL, dead_topic
from meshq.sim import swarm
from meshq.sim.checkers.expired import Expired
from meshq.sim.checkers.keyorder import KeyOrder
from meshq.sim.checkers.letters import LIMIT, Letters
from meshq.sim.checkers.served import Served
from meshq.sim.checkers.shares import Shares
from meshq.sim.consumer import ConsumerHabits
from meshq.sim.crowd import POLITE, some
from meshq.sim.faults import Crash, DiskFull, Fault, Flap, LinkCut, SlowDisk
from meshq.sim.publisher import PublisherHabits
from meshq.sim.queueing import Fussy, Mourner, Wishes, Wishful
from meshq.sim.scenario import scenario
from meshq.sim.stage import Settings, Stage


def _wishful(stage: Stage, node: str, habits: PublisherHabits, wishes: Wishes) -> None:
    name = f"p{len(stage.publishers) + 1}"
    stage.publishers.append(Wishful(stage.fleet, stage.ledger, name, node, habits, wishes))


def _fussy(stage: Stage, node: str, channel: str, habits: ConsumerHabits) -> None:
    name = f"c{len(stage.consumers) + 1}"
    stage.consumers.append(Fussy(stage.fleet, stage.ledger, name, node, "orders", channel, habits))


def _limited(stage: Stage, *channels: str) -> None:
    """Every channel has the attempts limit from the start of the active part, and somebody reads the dead letters."""
    admin = stage.admin(stage.names[0])
    for channel in channels:
        stage.act(
            0.0, admin.ask, "configure", {"topic": "orders", "channel": channel, "settings": {"attempts_max": LIMIT}}
        )
    topic = dead_topic("orders")
    stage.consumers.append(Mourner(stage.fleet, stage.ledger, "mourner", stage.names[-1], topic, DEAD_CHANNEL, POLITE))


@scenario("poison", active_s=15.0, more=(Letters, Served))
def poison(stage: Stage) -> list[Fault]:
    """Every consumer refuses some messages, for ever; one consumer never finishes anything, one takes one at a time,
    one 2,500. Breaks a limit that counts wrongly, dead letters that are lost between two topics or written twice, and
    poison that keeps others waiting."""
    rng = stage.rng("poison")
    for node in stage.names:
        _wishful(stage, node, PublisherHabits(topics=("orders",), every_s=0.3), Wishes(poison=0.05))
    quick = (0.001, 0.02)
    for channel in ("billing", "audit"):
        for messages, node in zip((1, 2_500, 64), some(rng, stage.names, 3), strict=True):
            _fussy(stage, node, channel, ConsumerHabits(messages=messages, handle_s=quick, requeue_ms_max=200))
    _fussy(stage, rng.choice(stage.names), "billing", ConsumerHabits(messages=8, hold=1.0, timeout_ms=60_000))
    _limited(stage, "billing", "audit")
    return []


@scenario("poison-flapping", active_s=12.0, more=(Letters,))
def poison_flapping(stage: Stage) -> list[Fault]:
    """The same with links that are cut all the time. Breaks an attempt that is counted for a link, and an error that
    is told over one session and counted in another."""
    rng = stage.rng("poison")
    for node in stage.names:
        _wishful(stage, node, PublisherHabits(topics=("orders",), every_s=0.3), Wishes(poison=0.1))
    for node in some(rng, stage.names, 3):
        # Without a delay: one that a consumer asks for after its link ended means nothing, and it cannot know.
        _fussy(stage, node, "billing", ConsumerHabits(messages=64, handle_s=(0.001, 0.1), requeue_ms_max=1))
    _limited(stage, "billing")
    one, other = rng.sample(stage.names, 2)
    return [Flap(at_s=0.5, for_s=10.0, one=one, other=other, every_s=0.2)]


@scenario("poison-storm", active_s=12.0, more=(Letters,))
def poison_storm(stage: Stage) -> list[Fault]:
    """The same with faults of all kinds. Breaks dead letters that go with a link or a consumer's process, attempts that
    are counted twice, and a topic of dead letters that one side of a partition does not know."""
    poison_flapping(stage)
    rng = stage.rng("storm")
    return swarm.draw(rng, stage.names, swarm.kinds(rng), count=rng.randint(2, 8), within_s=10.0)


@scenario("poison-full", active_s=14.0, more=(Letters,))
def poison_full(stage: Stage) -> list[Fault]:
    """Poison on slow disks that are full for moments, while letters are on their way to them, of nodes that crash soon
    afterwards. Breaks a message whose end is kept and whose letter is not, and a letter that lives in memory only."""
    rng = stage.rng("poison")
    stage.keep_at(rng.choice(("disk", "fsync")))
    for node in stage.names:
        _wishful(stage, node, PublisherHabits(topics=("orders",), every_s=0.2), Wishes(poison=0.3))
    for node in some(rng, stage.names, 3):
        _fussy(stage, node, "billing", ConsumerHabits(messages=64, handle_s=(0.001, 0.05), requeue_ms_max=100))
    _limited(stage, "billing")
    plan: list[Fault] = []
    for node in stage.names:
        plan.append(SlowDisk(at_s=0.5, for_s=13.0, node=node, slow_s=rng.choice((0.05, 0.2))))
        for at_s in (rng.uniform(start, start + 3.0) for start in (1.0, 4.5, 8.0)):
            plan.append(DiskFull(at_s=at_s, for_s=rng.choice((0.1, 0.5)), node=node))
            if rng.random() < 0.5:
                plan.append(Crash(at_s=at_s + rng.uniform(0.6, 2.0), for_s=rng.choice((0.02, 1.0)), node=node))
    return sorted(plan, key=lambda fault: fault.at_s)


def _short_window() -> Settings:
    return Settings(broker=BrokerConfig(window_s=1.0))


@scenario("expiring", active_s=12.0, more=(Expired,), settings=_short_window)
def expiring(stage: Stage) -> list[Fault]:
    """Messages are wanted for a moment or some seconds; some consumers are slow, and one channel has none. Breaks what
    is looked at when it is published only, a time kept by whoever holds the message, and a backlog that stays because
    nobody comes for it."""
    rng = stage.rng("expiring")
    for node in stage.names:
        habits = PublisherHabits(topics=("orders",), every_s=0.1, delay_share=0.1, delay_ms_max=2_000)
        _wishful(stage, node, habits, Wishes(ttl_s=rng.choice(((0.05, 0.5), (0.5, 4.0)))))
    _wishful(stage, rng.choice(stage.names), PublisherHabits(topics=("orders",), every_s=0.1), Wishes())
    for node in some(rng, stage.names, 2):
        stage.consumer(node, "orders", "billing", ConsumerHabits(messages=2, handle_s=(0.02, 0.2)))
    stage.consumer(rng.choice(stage.names), "orders", "audit", POLITE)
    _wishful(stage, rng.choice(stage.names), PublisherHabits(topics=("unread",), every_s=0.1), Wishes(ttl_s=(0.5, 4.0)))
    stage.consumer(rng.choice(stage.names), "unread", "somebody", POLITE)
    stage.act(0.0, stage.admin(stage.names[0]).ask, "create", {"topic": "unread", "channel": "nobody"})
    return []


@scenario("twice", active_s=12.0)
def twice(stage: Stage) -> list[Fault]:
    """Half of all publishes are sent again under the same id, at once or a little later. Breaks an id that is known
    only once its publish is confirmed, and a second answer with other numbers."""
    rng = stage.rng("twice")
    for node in stage.names:
        _wishful(stage, node, PublisherHabits(topics=("orders",), every_s=0.1), Wishes(again=0.5))
    for channel in ("billing", "audit"):
        for node in some(rng, stage.names, 2):
            stage.consumer(node, "orders", channel, POLITE)
    return []


def _near() -> Settings:
    """A channel looks ahead at a dozen keyed batches."""
    return Settings(broker=BrokerConfig(keyed_bytes_max=10_000))


@scenario("keyed", active_s=12.0, more=(KeyOrder,), settings=_near)
def keyed(stage: Stage) -> list[Fault]:
    """Most messages have one of a few ordering keys; consumers requeue, hold and leave, a link is cut, and origins
    crash and start again. Breaks a key that is freed when its message comes back, keys that are forgotten by
    a restart, and what waits behind a key and is never looked at again."""
    rng = stage.rng("keyed")
    for node in stage.names:
        _wishful(stage, node, PublisherHabits(topics=("orders",), every_s=0.25, batch_max=4), Wishes(keys=3))
    stage.publisher(rng.choice(stage.names), PublisherHabits(topics=("orders",), every_s=0.3))
    moody = ConsumerHabits(messages=32, handle_s=(0.001, 0.1), requeue=0.2, requeue_ms_max=200, give_back=0.05)
    for channel in ("billing", "audit"):
        for node in some(rng, stage.names, 3):
            stage.consumer(node, "orders", channel, moody)
    leaving = ConsumerHabits(messages=8, hold=0.1, timeout_ms=1_500, leave_every_s=3.0)
    stage.consumer(rng.choice(stage.names), "orders", "billing", leaving)
    plan: list[Fault] = [
        Crash(at_s=rng.uniform(2.0, 11.0), for_s=rng.choice((0.05, 1.0)), node=rng.choice(stage.names))
        for _ in range(3)
    ]
    one, other = (*rng.sample(stage.names, min(2, len(stage.names))), "")[:2]
    return [*plan, *([LinkCut(at_s=rng.uniform(1.0, 11.0), one=one, other=other)] if other else [])]


@scenario("urgent", active_s=16.0, more=(Shares,))
def urgent(stage: Stage) -> list[Fault]:
    """Two nodes have a long backlog of ordinary messages and one of urgent ones, of which consumers elsewhere take a
    few at a time; when all is published the origins crash and start again. Breaks priorities that starve, that are
    not looked at, or that a restart forgets."""
    rng = stage.rng("urgent")
    origins = some(rng, stage.names, 2)
    for node in origins:
        for priority in (0, 1):
            habits = PublisherHabits(topics=("orders",), every_s=0.02, batch_max=4, messages_max=500)
            _wishful(stage, node, habits, Wishes(priority=priority))
    for _ in range(2):
        slow = ConsumerHabits(messages=4, handle_s=(0.03, 0.06), split=0.0)
        stage.consumer(rng.choice(stage.names), "orders", "billing", slow)
    return [Crash(at_s=rng.uniform(5.0, 6.0), for_s=rng.choice((0.05, 1.0)), node=node) for node in origins]
