"""One story, played by real processes and by the simulator, comes to the same.

Three nodes join; two channels are subscribed to; each node publishes; some messages are requeued; a consumer leaves
with a message in hand; a node drains and leaves; another is killed. What must not depend on timing is compared:
barriers, receipts, which messages each channel finished at which attempt, what each node told of whom, the last views.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from meshq.client import Mesh as Verbs
from meshq.client import Message, Receipt
from meshq.machine import events
from meshq.sim.checkers.paths import Paths
from tests.conformance.theatres import NAMES, RealTheatre, SimulatedTheatre, Theatre

WITHIN_S = 20.0
TIMED = (events.MemberSuspected, events.MemberRecovered, events.LinkUp, events.LinkDown, events.SeedFailed)
"""What is told sooner, later, or not at all, as the time falls."""


@dataclass
class Outcome:
    """What a story came to, without what timing decides."""

    barriers: list[tuple[int, int]] = field(default_factory=list)
    receipts: list[tuple[str, str, int, int]] = field(default_factory=list)
    """Node, level, first number in its log, count."""
    finished: Counter[tuple[str, bytes, str, int]] = field(default_factory=Counter)
    """Channel, body, node of the origin, attempts."""
    told: dict[str, set[tuple[str, ...]]] = field(default_factory=dict)
    """By node: the events that time cannot change, each by its kind and its names."""
    members: dict[str, str] = field(default_factory=dict)
    topics: Any = None
    figures: dict[str, dict[str, int]] = field(default_factory=dict)
    left: int = -1

    def sent(self, receipt: Receipt) -> None:
        first = int(receipt.id[6:], 16)  # the rest of an id is a hash of its log
        self.receipts.append((receipt.node, receipt.level, first, receipt.count))

    def take(self, message: Message) -> None:
        message.finish()
        self.finished[message.channel, message.body, message.node, message.attempts] += 1


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await holds():  # noqa: ASYNC110 - any condition of the story
            await asyncio.sleep(0.02)


async def idle(verbs: Verbs) -> bool:
    return all(topic["messages"] == 0 for topic in (await verbs.stats())["topics"])


async def states(verbs: Verbs) -> dict[str, str]:
    return {member["name"]: member["state"] for member in await verbs.members()}


async def story(theatre: Theatre) -> Outcome:
    outcome = Outcome()
    n1, n2, n3 = [await theatre.at(name) for name in NAMES]
    await all_alive(n1, n2, n3)
    async with n1.subscribe("orders", "billing") as billing, n2.subscribe("orders", "audit") as audit:
        outcome.barriers += [billing.barrier, audit.barrier]
        await publish_everywhere(outcome, n1, n2, n3)
        await consume_and_requeue_some(outcome, billing, 37)
        await consume_and_requeue_some(outcome, audit, 37)
    await leave_with_one_in_hand(outcome, n1, n2, n3)
    await until(lambda: idle(n2))
    outcome.left = await n2.drain()
    await until(lambda: heard(theatre, events.MemberLeft("n2"), "n1", "n3"))
    await theatre.kill("n3")
    await until(lambda: heard_of(theatre, events.MemberFailed, "n3", "n1"))
    async with n1.subscribe("orders", "billing") as billing:
        outcome.barriers.append(billing.barrier)
        outcome.sent(await n1.publish("orders", b"last"))
        outcome.take(await anext(billing))
    await look(outcome, n1)
    outcome.told = {name: untimed(theatre.told(name)) for name in NAMES}
    return outcome


async def all_alive(*nodes: Verbs) -> None:
    for node in nodes:
        await until(lambda: everybody(node))  # noqa: B023


async def everybody(node: Verbs) -> bool:
    return await states(node) == dict.fromkeys(NAMES, "alive")


async def publish_everywhere(outcome: Outcome, *nodes: Verbs) -> None:
    """From each node: a batch, a message with a header, a delayed one; two short of that at the last."""
    for node in nodes:
        name = node.node_name
        outcome.sent(await node.publish_many("orders", [f"{name}.{number}".encode() for number in range(11)]))
        outcome.sent(await node.publish("orders", f"{name}.later".encode(), delay_s=0.2))
    outcome.sent(await nodes[0].publish("orders", b"with a header", headers={"trace": "1"}))


async def consume_and_requeue_some(outcome: Outcome, messages: Any, count: int) -> None:
    """Finish ``count`` messages; those that end in 3 only when they come the second time."""
    async with asyncio.timeout(WITHIN_S):
        while count:
            message = await anext(messages)
            if message.body.endswith(b"3") and message.attempts == 1:
                message.requeue(0.05)
            else:
                outcome.take(message)
                count -= 1


async def leave_with_one_in_hand(outcome: Outcome, n1: Verbs, n2: Verbs, n3: Verbs) -> None:
    """A consumer at n3 takes one message of n2's and leaves; one at n1 gets it then, and the others."""
    async with n3.subscribe("orders", "billing", max_in_flight=1) as leaving:
        outcome.barriers.append(leaving.barrier)
        outcome.sent(await n2.publish_many("orders", [b"left.%d" % number for number in range(4)]))
        assert (await anext(leaving)).body == b"left.0"
    async with n1.subscribe("orders", "billing") as billing:
        await consume_and_requeue_some(outcome, billing, 4)
    async with n1.subscribe("orders", "audit") as audit:
        await consume_and_requeue_some(outcome, audit, 4)


async def heard(theatre: Theatre, event: events.Event, *names: str) -> bool:
    return all(event in theatre.told(name) for name in names)


async def heard_of(theatre: Theatre, kind: type[Any], whom: str, name: str) -> bool:
    return any(type(event) is kind and events.to_map(event)["name"] == whom for event in theatre.told(name))


async def look(outcome: Outcome, node: Verbs) -> None:
    """The views of who is left."""
    outcome.members = await states(node)
    outcome.topics = await node.topics()
    (topic,) = (await node.stats())["topics"]
    for channel in topic["channels"]:
        wanted = ("finished", "depth", "in_flight", "deferred", "requeued", "timed_out")
        outcome.figures[channel["channel"]] = {name: channel[name] for name in wanted}


def untimed(told: list[events.Event]) -> set[tuple[str, ...]]:
    """The events that time cannot change; of each its kind and its names, without who said so and the epoch."""
    kept = [events.to_map(event) for event in told if not isinstance(event, TIMED)]
    return {tuple(str(event[key]) for key in ("event", "name", "topic", "channel") if key in event) for event in kept}


def findings(name: str, told: list[events.Event]) -> list[str]:
    """What the simulator's checker of legal stories finds in what a node told."""
    found: list[str] = []
    checker, host = Paths(SimpleNamespace(find=found.append)), SimpleNamespace(name=name)
    host.counters = SimpleNamespace(starts=1)
    for event in told:
        checker.event(host, event)  # type: ignore[arg-type]
    return found


@pytest.fixture(scope="module")
def simulated() -> tuple[Outcome, SimulatedTheatre]:
    theatre = SimulatedTheatre(seed=1)
    return theatre.play(story), theatre


@pytest.mark.parametrize("seed", range(2, 12))
def test_the_story_comes_to_the_same_under_every_seed(seed: int, simulated: tuple[Outcome, SimulatedTheatre]) -> None:
    theatre = SimulatedTheatre(seed)
    assert theatre.play(story) == simulated[0]
    assert [found for name in NAMES for found in findings(name, theatre.told(name))] == []


def test_real_processes_and_the_simulator_come_to_the_same(simulated: tuple[Outcome, SimulatedTheatre]) -> None:
    theatre = RealTheatre()
    assert theatre.play(story) == simulated[0]
    assert [found for name in NAMES for found in findings(name, theatre.told(name))] == []


def test_the_story_is_what_it_says(simulated: tuple[Outcome, SimulatedTheatre]) -> None:
    """So that the comparison is not one of nothing with nothing."""
    outcome, _ = simulated
    assert outcome.barriers[:3] == [(3, 3)] * 3
    assert {level for _, level, _, _ in outcome.receipts} == {"memory"}
    assert Counter(channel for channel, *_ in outcome.finished.elements()) == {"billing": 42, "audit": 41}
    again = [body for _, body, _, attempts in outcome.finished.elements() if attempts > 1]
    assert Counter(again) == {b"n1.3": 2, b"n2.3": 2, b"n3.3": 2, b"left.3": 2}, "who leaves counts nothing"
    assert outcome.members == {"n1": "alive", "n2": "left", "n3": "dead"}
    assert {("MemberJoined", "n2"), ("MemberLeft", "n2"), ("MemberFailed", "n3")} <= outcome.told["n1"]
    assert ("ChannelCreated", "orders", "audit") in outcome.told["n3"]
    assert outcome.left == 0
    assert outcome.figures["audit"]["depth"] == 1
