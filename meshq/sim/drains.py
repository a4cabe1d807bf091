"""The scenarios of a node that leaves on purpose and hands over what it has.

Their docstrings say which plausible design they break. Faults that strike in the middle are ``handing``'s.
"""

from __future__ import annotations

from typing import Final

from meshq.config import BrokerConfig
from meshq.sim.checkers.handed import HandedOnce
from meshq.sim.consumer import ConsumerHabits
from meshq.sim.crowd import POLITE
from meshq.sim.faults import Drain, Fault
from meshq.sim.handing import CrashInHandOver
from meshq.sim.publisher import PublisherHabits
from meshq.sim.scenario import scenario
from meshq.sim.stage import Settings, Stage

SLOW: Final = ConsumerHabits(messages=8, handle_s=(0.05, 0.4))
LATE_S: Final = 9.0
"""When the node has long gone."""


def _cast(stage: Stage) -> tuple[str, list[str]]:
    """A node with a backlog: one channel has all of it and finishes it, one is slow, one has no consumer for long."""
    rng = stage.rng("handed")
    node = rng.choice(stage.names)
    others = [name for name in stage.names if name != node]
    habits = PublisherHabits(topics=("orders",), every_s=0.03, batch_max=4, delay_share=0.05)
    for _ in range(2):
        stage.publisher(node, habits, roaming=True)
    stage.publisher(rng.choice(others), PublisherHabits(topics=("orders",), every_s=0.1))
    stage.consumer(rng.choice(others), "orders", "billing", POLITE)
    stage.consumer(rng.choice(others), "orders", "audit", SLOW)
    admin = stage.admin(rng.choice(others))
    stage.act(0.2, admin.ask, "create", {"topic": "orders", "channel": "late"})
    stage.act(2.0, stage.owe_from_now, "orders", "late")
    stage.consumer(rng.choice(others), "orders", "late", POLITE, late_s=LATE_S)
    return node, others


@scenario("drain-handed", active_s=16.0, more=(HandedOnce,))
def drain_handed(stage: Stage) -> list[Fault]:
    """A node with a backlog drains and comes back much later: the others deliver everything without it. Breaks a node
    that forgets a log before its taker has it, messages that get other ids, and channels that begin anew."""
    node, _ = _cast(stage)
    return [Drain(at_s=4.0, for_s=11.0, node=node, timeout_s=10.0)]


def _in_memory() -> Settings:
    return Settings(level="memory")


@scenario("drain-in-memory", active_s=16.0, settings=_in_memory, more=(HandedOnce,))
def drain_in_memory(stage: Stage) -> list[Fault]:
    """The same where nobody has a store: what is not handed over is lost with the process. Breaks a drain that leaves
    its messages to a store that is not there."""
    node, _ = _cast(stage)
    return [Drain(at_s=4.0, for_s=11.0, node=node, timeout_s=10.0)]


@scenario("drain-accepted", active_s=16.0, more=(HandedOnce,))
def drain_accepted(stage: Stage) -> list[Fault]:
    """A node of which one channel has finished everything drains, and is killed between the moment at which a taker
    owns its log and the one at which it would forget it; it comes back while others still consume. Both have the
    log then. Breaks a taker that does not know what was finished, and two holders of one log that accuse each other."""
    node, _ = _cast(stage)
    back_s = stage.rng("back").choice((0.5, 3.0, 8.0))
    return [
        CrashInHandOver(at_s=4.0, for_s=1.0 + back_s, node=node, moment="taken"),
        Drain(at_s=4.1, node=node, timeout_s=10.0),
    ]


@scenario("drain-taker-killed", active_s=18.0, more=(HandedOnce,))
def drain_taker_killed(stage: Stage) -> list[Fault]:
    """Whoever takes a log over is killed while it comes in, or with its last word unsaid, and starts again; the giver
    goes on to somebody else, or stays with what it has. Breaks a taker that serves half a log, one that confirms
    before it has stored, and a giver that believes in what was only begun."""
    node, _ = _cast(stage)
    rng = stage.rng("taker")
    moment = rng.choice(("willing", "ceded", "taken"))
    return [
        CrashInHandOver(at_s=4.0, for_s=rng.choice((1.5, 3.0, 6.0)), node=node, moment=moment, taker=True),  # type: ignore[arg-type]
        Drain(at_s=4.1, for_s=12.0, node=node, timeout_s=8.0),
    ]


def _small() -> Settings:
    return Settings(
        broker=BrokerConfig(
            memory_bytes_max=100_000, window_topic_bytes_max=8_000, window_bytes_max=16_000, handover_bytes=4096
        )
    )


@scenario("drain-spilled", active_s=16.0, settings=_small, more=(HandedOnce,))
def drain_spilled(stage: Stage) -> list[Fault]:
    """Most of the backlog lies in the store only, and little may be under way at a time. Breaks a hand-over of what is
    in memory, and one that skips what was loaded, or put away, while it went on."""
    node, _ = _cast(stage)
    return [Drain(at_s=4.0, for_s=11.0, node=node, timeout_s=10.0)]
