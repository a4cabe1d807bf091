"""Embedded nodes and thin clients, end to end on real engines and real sockets."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

import meshq
from meshq.client import Mesh
from meshq.config import BrokerConfig, LinkConfig
from meshq.engine import views
from meshq.errors import Closed, ConfigError, InvalidName, LevelUnavailable, MeshError, Overloaded, Unconfirmed
from meshq.node import NodeInfo
from tests.client.nodes import on_loop, until
from tests.node.meshes import QUICK, quick_node


def loop_threads() -> int:
    """How many threads of nodes there are."""
    return sum(thread.name.startswith("meshq:") for thread in threading.enumerate())


@on_loop
async def test_the_first_example_works_as_it_stands() -> None:
    seed = await quick_node(name="seed")
    async with meshq.Node(seeds=[seed.address], name="billing-1", bind="127.0.0.1", port=0) as node:
        assert node.name == "billing-1"
        names = {member["name"]: member["state"] for member in await node.members()}
        assert names == {"seed": "alive", "billing-1": "alive"}
    await seed.close()


@on_loop
async def test_the_verbs_work_as_documented() -> None:
    handled: list[Any] = []

    def handle(*what: Any) -> None:
        handled.append(what)

    async with quick_node() as node, meshq.connect(node.address) as mesh:
        async with mesh.subscribe("orders", "billing", max_in_flight=256) as messages:
            assert messages.barrier == (1, 1)
            receipt = await mesh.publish("orders", b"...", headers={"trace": "1"}, delay_s=0.05)
            assert receipt.level == "memory"
            await mesh.publish_many("orders", [b"a", b"b"])
            async for message in messages:
                async with message:
                    handle(message.body, dict(message.headers), message.attempts, message.timestamp_ns)
                if message.id == receipt.id:
                    break
            assert [what[0] for what in handled] == [b"a", b"b", b"..."]
            assert handled[2][1:3] == ({"trace": "1"}, 1)
            assert abs(time.time_ns() - handled[2][3]) < 60e9
            await mesh.publish_many("orders", [b"c", b"d"])
            async for lease in messages.leases():
                async with lease:
                    handle(lease.bodies)
                break
            assert handled[3] == ([b"c", b"d"],)
        stats = await mesh.stats()
        (channel,) = stats["topics"][0]["channels"]
        assert (channel["channel"], channel["finished"], channel["redelivered"]) == ("billing", 5, 0)


def test_a_list_of_many_topics_comes_in_several_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "VALUES_MAX", 100)
    names = [f"t{number:02}" for number in range(30)]

    @on_loop
    async def play() -> None:
        async with quick_node(name="a") as a, quick_node(a.address, name="b") as b, meshq.connect(a.address) as mesh:
            for name in names:
                await b.create(name, "c")
            assert [topic["topic"] for topic in await b.topics()] == names
            assert [topic["topic"] for topic in await b.topics("t07")] == ["t07"]
            assert await b.topics("unknown") == []
            await mesh.publish("t07", b"x")
            shown = (await mesh.stats(mesh=True))["nodes"]
            assert {name: [topic["topic"] for topic in node["topics"]] for name, node in shown.items()} == {
                "a": [topic["topic"] for topic in (await mesh.stats())["topics"]],
                "b": names,
            }
            assert (await mesh.stats("t07"))["topics"][0]["messages"] == 1

    play()


@on_loop
async def test_a_message_published_at_one_node_is_consumed_at_another() -> None:
    async with quick_node(name="a") as a, quick_node(a.address, name="b") as b, b.subscribe("t", "c") as messages:
        assert messages.barrier == (2, 2)
        receipt = await a.publish("t", b"x", headers={"h": "v"})
        message = await anext(messages)
        assert (message.id, message.node, message.headers) == (receipt.id, "a", {"h": "v"})
        message.finish()


@on_loop
async def test_a_failing_handler_gets_its_message_again_and_sees_the_attempts() -> None:
    async with quick_node() as node, node.subscribe("t", "c", backoff=lambda attempts: 0.01 * attempts) as messages:
        await node.publish("t", b"x")
        attempts = []
        async for message in messages:
            try:
                async with message:
                    attempts.append(message.attempts)
                    if len(attempts) < 3:
                        raise ValueError("not yet")
                    break
            except ValueError:
                continue
        assert attempts == [1, 2, 3]


@on_loop
async def test_a_cancelled_handlers_message_comes_back_at_once_and_counts_nothing() -> None:
    async with quick_node() as node, node.subscribe("t", "c") as messages:
        started = asyncio.Event()

        async def handle() -> None:
            async with await anext(messages):
                started.set()
                await asyncio.Event().wait()

        handler = asyncio.ensure_future(handle())
        await node.publish("t", b"x")
        await started.wait()
        began = time.monotonic()
        handler.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handler
        message = await anext(messages)
        assert (message.body, message.attempts) == (b"x", 1)
        assert time.monotonic() - began < 0.5
        message.finish()


@on_loop
async def test_leaving_a_subscription_gives_everything_back_to_the_others() -> None:
    async with quick_node() as node, meshq.connect(node.address) as mesh:
        async with mesh.subscribe("t", "c") as first:
            await node.publish_many("t", [b"%d" % number for number in range(10)])
            taken = [await anext(first) for _ in range(3)]
            taken[0].finish()
        async with mesh.subscribe("t", "c") as second:
            again = {(await anext(second)).body for _ in range(9)}
        assert again == {b"%d" % number for number in range(1, 10)}


@on_loop
async def test_fifty_coroutines_share_batches_end_to_end() -> None:
    async with quick_node() as node, meshq.connect(node.address) as mesh, mesh.subscribe("t", "c") as messages:
        receipts = await asyncio.gather(*(mesh.publish("t", b"%d" % number) for number in range(50)))
        lease = await anext(messages.leases())
        assert lease.bodies == [b"%d" % number for number in range(50)]
        assert [message.id for message in lease] == [receipt.id for receipt in receipts]
        lease.finish()


@on_loop
async def test_a_thin_client_comes_back_and_subscribes_again_after_its_node_restarted() -> None:
    node = await quick_node(name="a")
    port = int(node.address.rpartition(":")[2])
    async with meshq.connect(node.address) as mesh, mesh.subscribe("t", "c") as messages:
        await mesh.publish("t", b"before")
        async with await anext(messages) as message:
            assert message.body == b"before"
        await node.close()
        waiting = asyncio.ensure_future(mesh.publish("t", b"after", timeout_s=10, retry=True))
        async with quick_node(name="a", port=port) as again:
            assert (await waiting).node == "a"
            # A new process without a store knows neither topic nor channel, but nobody deleted them
            await again.publish("t", b"more")
            bodies = {(await asyncio.wait_for(anext(messages), 10)).body for _ in range(2)}
            assert bodies == {b"after", b"more"}


@on_loop
async def test_a_thin_client_moves_to_a_node_it_learned_of_and_keeps_its_subscription() -> None:
    async with quick_node(name="a") as a:
        b = await quick_node(a.address, name="b")
        async with meshq.connect(b.address) as mesh, mesh.subscribe("t", "c") as messages:
            await b.close()
            await asyncio.wait_for(a.publish("t", b"x"), 5)
            message = await asyncio.wait_for(anext(messages), 10)
            assert (message.body, mesh.node_name) == (b"x", "a")
            message.finish()


@on_loop
async def test_asking_for_a_level_that_is_not_there_is_refused_with_the_reason() -> None:
    async with quick_node() as node:
        for level in ("disk", "fsync"):
            with pytest.raises(LevelUnavailable, match="memory"):
                await node.publish("t", b"x", level=level)


@on_loop
async def test_a_full_node_raises_overloaded_with_the_limit_that_said_no() -> None:
    config = replace(QUICK, broker=BrokerConfig(topic_messages_max=3))
    async with quick_node(config=config) as node:
        await node.publish_many("t", [b"x"] * 3)
        with pytest.raises(Overloaded) as caught:
            await node.publish("t", b"y", timeout_s=0.2)
        assert caught.value.limit == "topic_messages_max"
        waiting = asyncio.ensure_future(node.publish("t", b"z"))
        async with node.subscribe("t", "c") as messages:
            for _ in range(3):
                (await anext(messages)).finish()
            await waiting
            assert (await anext(messages)).body == b"z"


@on_loop
async def test_a_handler_that_blocks_its_loop_costs_nobody_else_a_lease() -> None:
    config = replace(QUICK, link=LinkConfig(heartbeat_s=0.1, silent_s=0.4))
    async with quick_node(name="a", config=config) as a, quick_node(a.address, name="b", config=config) as b:
        async with b.subscribe("t", "c") as messages, b.subscribe("t", "d") as others:
            await a.publish_many("t", [b"1", b"2"])
            held = await anext(others)
            async with await anext(messages):
                time.sleep(1.2)  # noqa: ASYNC251  three times what makes a client dead
            async with await anext(messages) as message:
                assert message.attempts == 1
            held.finish()
            (await anext(others)).finish()
            await a.publish("t", b"3")
            assert [(await anext(each)).attempts for each in (messages, others)] == [1, 1]
        assert [member["state"] for member in await a.members()] == ["alive", "alive"]
        stats = await a.stats()
        assert {channel["sessions_lost"] for channel in stats["topics"][0]["channels"]} == {0}


@on_loop
async def test_draining_hands_over_and_says_what_was_left() -> None:
    async with quick_node(name="a") as a:
        b = await quick_node(a.address, name="b")
        async with a.subscribe("t", "c") as messages:
            await b.publish_many("t", [b"x"] * 5)
            for _ in range(5):
                (await anext(messages)).finish()
            assert await b.drain(5.0) == 0
        with pytest.raises(Closed):
            await b.publish("t", b"x")
        await b.close()
        async with quick_node(a.address, name="c") as c:
            await c.publish_many("u", [b"x"] * 4)
            assert await c.drain(0.05) == 4


@on_loop
async def test_closing_a_node_waits_for_others_to_consume_what_it_owns() -> None:
    async with quick_node(name="a") as a, a.subscribe("t", "c") as messages:
        b = await quick_node(a.address, name="b", drain_timeout_s=5)
        await b.publish_many("t", [b"x"] * 3)
        closing = asyncio.ensure_future(b.close())
        for _ in range(3):
            (await anext(messages)).finish()
        await closing
        assert (await b.stopped()).messages_left == 0


@on_loop
async def test_a_node_whose_name_is_taken_does_not_open() -> None:
    async with quick_node(name="a") as a:
        with pytest.raises(MeshError, match=a.address.rpartition(":")[2]):
            await quick_node(a.address, name="a")
        assert [member["name"] for member in await a.members()] == ["a"]


@on_loop
async def test_a_node_that_its_seed_refuses_does_not_open_and_leaves_nothing_behind() -> None:
    before = loop_threads()
    async with quick_node(name="a") as a:
        with pytest.raises(ConfigError, match=r"refuses this node and says: .* yours is 'other'") as refused:
            await quick_node(a.address, name="b", label="other")
        assert refused.value.code == "REFUSED"
    await until(lambda: loop_threads() <= before)


@on_loop
async def test_a_port_that_was_asked_for_and_is_taken_is_a_config_error() -> None:
    before = loop_threads()
    async with quick_node() as node:
        with pytest.raises(ConfigError, match="taken"):
            await quick_node(port=int(node.address.rpartition(":")[2]))
    await until(lambda: loop_threads() <= before)


@on_loop
async def test_opening_that_is_cancelled_leaves_no_thread_behind() -> None:
    before = loop_threads()
    heard: list[Any] = []
    opening = asyncio.ensure_future(quick_node("127.0.0.1:1", on_event=heard.append).__aenter__())
    await until(lambda: any(isinstance(event, meshq.events.SeedFailed) for event in heard))
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await until(lambda: loop_threads() <= before)


@pytest.mark.parametrize("loop", ["own", "shared"])
def test_a_node_runs_on_a_loop_of_its_own_or_on_ours(loop: str) -> None:
    @on_loop
    async def main() -> None:
        before = loop_threads()
        async with quick_node(loop=loop) as node:
            assert (loop_threads() > before) == (loop == "own")
            async with node.subscribe("t", "c") as messages:
                await node.publish("t", b"x")
                async with await anext(messages) as message:
                    assert message.body == b"x"

    main()


class RecordingDoor:
    """A door that publishes a message when it opens, and keeps what it was given."""

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self.node: NodeInfo | None = None
        self.mesh: Mesh | None = None
        self.stopped = False
        self.address = ("", 0)

    async def start(self, mesh: Mesh, node: NodeInfo) -> None:
        self.thread, self.node, self.mesh = threading.current_thread(), node, mesh
        await mesh.publish("door", b"open")

    async def stop(self) -> None:
        assert self.mesh is not None
        await self.mesh.publish("door", b"closing")
        self.stopped = True


@on_loop
async def test_doors_run_on_the_nodes_loop_with_a_mesh_of_their_own() -> None:
    door = RecordingDoor()
    async with quick_node(name="a", doors=[door], http_port=8080) as node:
        assert door.node is not None
        assert (door.node.name, door.node.config.http_port) == ("a", 8080)
        assert node.address == f"{door.node.advertised[0]}:{door.node.advertised[1]}"
        assert door.thread is not threading.current_thread()
        assert door.mesh is not node
        async with node.subscribe("door", "c") as messages:
            assert (await anext(messages)).body == b"open"
    assert door.stopped


class FailingDoor(RecordingDoor):
    async def start(self, mesh: Mesh, node: NodeInfo) -> None:
        raise ConfigError("port 1 is taken")


@on_loop
async def test_a_door_that_cannot_open_keeps_the_node_from_opening() -> None:
    before = loop_threads()
    first = RecordingDoor()
    with pytest.raises(ConfigError, match="port 1"):
        await quick_node(doors=[first, FailingDoor()])
    assert first.stopped
    await until(lambda: loop_threads() <= before)


@on_loop
async def test_events_of_the_mesh_come_to_every_listener() -> None:
    heard: list[Any] = []
    async with quick_node(name="a", on_event=heard.append) as a:
        events = a.events()
        await a.members()  # answered behind the watch: whatever happens from here on is heard
        async with quick_node(a.address, name="b"):
            async for event in events:
                if isinstance(event, meshq.events.MemberJoined):
                    assert event.name == "b"
                    break
        async for event in events:
            if isinstance(event, meshq.events.MemberLeft):
                assert event.name == "b"
                break
    assert [event.name for event in heard if isinstance(event, meshq.events.MemberJoined)] == ["b"]


def test_a_node_is_a_plain_call_that_checks_its_settings() -> None:
    assert meshq.Node().name != meshq.Node().name
    with pytest.raises(ConfigError):
        meshq.Node(loop="other")  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        meshq.Node(label="")
    with pytest.raises(InvalidName):
        meshq.Node(name="no spaces")


@on_loop
async def test_what_was_never_opened_can_be_closed_and_says_so_when_used() -> None:
    node = quick_node()
    with pytest.raises(Closed):
        await node.drain()
    with pytest.raises(Closed):
        await node.stopped()
    await node.close()


@on_loop
async def test_two_in_one_process_with_many_slow_consumers_starve_nobody() -> None:
    async with quick_node(name="a") as a, quick_node(a.address, name="b") as b:
        counts: dict[int, int] = {}
        left = [200]

        async def consume(number: int, mesh: Mesh) -> None:
            async with mesh.subscribe("t", "c", max_in_flight=1) as messages:
                ready.append(number)
                async for message in messages:
                    async with message:
                        await asyncio.sleep(0.001)
                        counts[number] = counts.get(number, 0) + 1
                        left[0] -= 1

        ready: list[int] = []
        consumers = [asyncio.ensure_future(consume(number, (a, b)[number % 2])) for number in range(6)]
        await until(lambda: len(ready) == 6)
        await a.publish_many("t", [b"x"] * 100)
        await b.publish_many("t", [b"x"] * 100)
        await until(lambda: left[0] <= 0)
        for consumer in consumers:
            consumer.cancel()
        await asyncio.gather(*consumers, return_exceptions=True)
        assert min(counts.get(number, 0) for number in range(6)) > 0


@on_loop
async def test_a_node_that_is_gone_for_good_ends_its_iterators() -> None:
    node = await quick_node()
    messages = await node.subscribe("t", "c")
    waiting = asyncio.ensure_future(anext(messages, None))
    await asyncio.sleep(0)
    await node.close()
    assert await waiting is None
    with pytest.raises((Closed, Unconfirmed)):
        await node.publish("t", b"x")


def test_one_seed_may_be_given_as_text() -> None:
    assert meshq.Node("10.0.0.1:4155", name="a").config.seeds == ("10.0.0.1:4155",)


@on_loop
async def test_a_mesh_is_set_paused_and_emptied_from_any_node() -> None:
    async with quick_node(name="a") as a, quick_node(a.address, name="b") as b:
        await a.create("orders", "billing", messages_max=2)

        async def settings() -> dict[str, Any]:
            return {each["topic"]: each["channels"][0]["settings"] for each in await b.topics() if each["channels"]}

        async with asyncio.timeout(10):
            while await settings() != {"orders": {"messages_max": 2}}:
                continue
        await b.publish_many("orders", [b"1", b"2"])
        with pytest.raises(Overloaded, match="channel orders/billing has 2 unfinished messages") as no:
            await b.publish("orders", b"3", timeout_s=0)
        assert no.value.limit == "messages_max"
        await a.empty("orders", "billing")
        await b.publish("orders", b"4")
        await a.pause("orders", "billing")
        async with asyncio.timeout(10):
            while (await settings())["orders"].get("paused") is not True:
                continue
        async with b.subscribe("orders", "billing") as messages:
            await a.configure("orders", "billing", messages_max=None)
            await a.resume("orders", "billing")
            message = await anext(messages)
            assert message.body == b"4"
            message.finish()
        with pytest.raises(ConfigError, match="has no setting 'colour'"):
            await a.configure("orders", colour="red")
        with pytest.raises(MeshError, match="there is no topic nowhere"):
            await a.pause("nowhere")
