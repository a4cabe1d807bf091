"""Dead letters, time to live and publish ids through real nodes."""

from __future__ import annotations

import asyncio

import pytest

import meshq
from meshq.client import Mesh
from meshq.errors import InvalidMessage
from tests.client.nodes import on_loop, until
from tests.node.meshes import quick_node


async def poison(mesh: Mesh, topic: str, *bodies: bytes, channels: tuple[str, ...] = ("billing",)) -> None:
    """Let the channels fail on these until they are dead letters."""
    for channel in channels:
        await mesh.create(topic, channel, attempts_max=2)
    await mesh.publish_many(topic, bodies, headers={"trace": "7"})
    for channel in channels:
        async with mesh.subscribe(topic, channel, backoff=lambda _: 0.0) as messages:
            for _ in range(2 * len(bodies)):
                with pytest.raises(ValueError, match="bad"):
                    async with await anext(messages) as message:
                        raise ValueError(f"bad {message.attempts}")
            async with asyncio.timeout(10):
                while len(await mesh.dead_letters(topic, channel).list()) < len(bodies):
                    pass


@on_loop
async def test_a_dead_letter_tells_what_happened_and_stays_when_looked_at() -> None:
    async with quick_node(name="a") as a, quick_node(a.address, name="b") as b:
        await poison(a, "orders", b"poison")
        for mesh in (a, b):
            (letter,) = await mesh.dead_letters("orders").list()
            assert (letter.topic, letter.channel, letter.reason) == ("orders", "billing", "attempts")
            assert (letter.attempts, letter.origin, letter.body) == (2, "a", b"poison")
            assert (letter.first_error, letter.last_error) == ("ValueError('bad 1')", "ValueError('bad 2')")
            assert letter.headers == {"trace": "7"}
        assert await b.dead_letters("orders", "shipping").list() == []


@on_loop
async def test_redrive_sends_back_to_the_channel_that_failed_and_to_no_other() -> None:
    async with quick_node() as node:
        await node.create("orders", "other")
        await poison(node, "orders", b"1", b"2")
        async with node.subscribe("orders", "other") as others:
            for _ in range(2):
                (await anext(others)).finish()
            assert await node.dead_letters("orders").redrive() == meshq.Redriven(sent=2, left=0)
            async with node.subscribe("orders", "billing") as messages:
                for _ in range(2):
                    async with await anext(messages) as message:
                        assert (message.attempts, dict(message.headers)) == (1, {"trace": "7"})
            assert await node.dead_letters("orders").list() == []
            await node.publish("orders", b"next")
            assert (await anext(others)).body == b"next"


@on_loop
async def test_a_letter_whose_channel_is_gone_stays() -> None:
    async with quick_node() as node:
        await poison(node, "orders", b"1")
        await node.delete("orders", "billing")
        assert await node.dead_letters("orders").redrive() == meshq.Redriven(sent=0, left=1)
        assert len(await node.dead_letters("orders").list()) == 1


@on_loop
async def test_purge_throws_away_what_failed_on_that_channel_only() -> None:
    async with quick_node() as node:
        await poison(node, "orders", b"1", channels=("billing", "shipping"))
        assert await node.dead_letters("orders", "billing").purge() == 1
        assert [letter.channel for letter in await node.dead_letters("orders").list()] == ["shipping"]


@on_loop
async def test_looking_for_dead_letters_makes_nothing_exist() -> None:
    async with quick_node() as node:
        assert await node.dead_letters("orders").list() == []
        assert await node.dead_letters("orders").purge() == 0
        assert await node.topics() == []


@on_loop
async def test_an_expired_message_is_not_delivered_and_counted() -> None:
    async with quick_node() as node:
        await node.create("t", "c")
        await node.publish("t", b"old", ttl_s=0.05)
        await until_expired(node)
        await node.publish("t", b"new", ttl_s=60)
        async with node.subscribe("t", "c") as messages:
            assert (await anext(messages)).body == b"new"


async def until_expired(mesh: Mesh) -> None:
    async with asyncio.timeout(10):
        while not (await mesh.stats())["counters"]["broker"]["expired"]:
            pass


@on_loop
async def test_a_second_publish_with_an_id_is_a_duplicate() -> None:
    async with quick_node() as node:
        first, second = await asyncio.gather(node.publish("t", b"x", id="1"), node.publish("t", b"x", id="1"))
        assert (first.duplicate, second.duplicate) == (False, True)
        assert first.id == second.id
        many = await node.publish_many("t", [b"y"] * 600, id="2")
        again = await node.publish_many("t", [b"y"] * 600, id="2")
        assert (many.duplicate, again.duplicate) == (False, True)
        assert many.ids == again.ids
        with pytest.raises(InvalidMessage, match="was used for 1 messages"):
            await node.publish_many("t", [b"x"] * 2, id="1")
        (topic,) = (await node.stats())["topics"]
        assert topic["messages"] == 601


@on_loop
async def test_a_message_for_a_channel_that_there_is_not_is_refused() -> None:
    async with quick_node() as node:
        await node.create("t", "c")
        with pytest.raises(meshq.ChannelDeleted, match="no channel d"):
            await node.publish("t", b"x", channels=["d"])
        await node.publish("t", b"x", channels=["c"])


@on_loop
async def test_a_ttl_and_an_id_that_cannot_be_are_refused_by_name() -> None:
    async with quick_node() as node:
        for asked, code in (({"ttl_s": -1.0}, "BAD_TTL"), ({"ttl_s": 9e8}, "BAD_TTL"), ({"id": "x" * 129}, "BAD_ID")):
            with pytest.raises(InvalidMessage) as caught:
                await node.publish("t", b"x", **asked)
            assert caught.value.code == code


@on_loop
async def test_one_that_never_finishes_and_a_poison_message_starve_nobody() -> None:
    async with quick_node(name="a") as a, quick_node(a.address, name="b") as b:
        await a.create("t", "c", attempts_max=3)
        done: list[bytes] = []

        async def work(mesh: Mesh, max_in_flight: int) -> None:
            async with mesh.subscribe("t", "c", max_in_flight=max_in_flight, backoff=lambda _: 0.0) as messages:
                async for message in messages:
                    try:
                        async with message:
                            if message.body == b"poison":
                                raise ValueError("poison")
                            done.append(message.body)
                    except ValueError:
                        continue

        async with a.subscribe("t", "c", max_in_flight=1) as stuck, asyncio.TaskGroup() as group:
            await a.publish("t", b"stuck")
            assert (await anext(stuck)).body == b"stuck"  # and it never finishes
            workers = [group.create_task(work(b, 1)), group.create_task(work(a, 2_500))]
            bodies = [b"%d" % number for number in range(500)]
            await a.publish_many("t", [*bodies[:250], b"poison", *bodies[250:]])
            await until(lambda: {*done} >= {*bodies})
            async with asyncio.timeout(10):
                while not (letters := await b.dead_letters("t").list()):
                    pass
            for worker in workers:
                worker.cancel()
        assert [(each.body, each.reason, each.attempts) for each in letters] == [(b"poison", "attempts", 3)]
        assert len(done) == len(bodies)
