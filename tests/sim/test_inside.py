"""Looking inside a simulated mesh: what is said of a message on its way, whoever is asked, and across a partition."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

import meshq
from meshq.errors import InvalidName, MeshError
from meshq.sim import Mesh
from tests.engine.test_inside import found, text


async def hold(node: meshq.Node, held: list[bytes], *, max_in_flight: int = 2) -> None:
    """Take messages and finish none."""
    async with node.subscribe("orders", "billing", max_in_flight=max_in_flight) as messages:
        async for message in messages:
            held.append(message.body)
            if len(held) == max_in_flight:
                await asyncio.sleep(10_000)


def test_why_follows_a_message_from_no_topic_to_its_end_whichever_node_is_asked() -> None:
    mesh = Mesh(nodes=3)

    async def main() -> None:
        first, second, third = (mesh.node(name) for name in ("n1", "n2", "n3"))
        answer = await third.why("orders")
        assert found(answer, "") == ["NO_TOPIC"]
        assert "meshq topics" in text(answer, "NO_TOPIC")
        await first.publish("orders", b"one")
        await first.publish("orders", b"two")
        answer = await third.why("orders")
        assert found(answer, "") == ["NO_CHANNEL"]
        assert "2 messages are kept for its first at n1" in text(answer, "NO_CHANNEL")
        await second.create("orders", "billing")
        answer = await third.why("orders")
        assert found(answer) == ["NO_CONSUMER"]
        assert text(answer, "NO_CONSUMER").startswith("2 messages wait at n1: no node has a consumer of it")
        assert found(await third.why("orders", "mail"), "mail") == ["NO_CHANNEL"]
        assert "it has billing" in text(await third.why("orders", "mail"), "NO_CHANNEL")
        async with second.subscribe("orders", "billing") as messages:
            taken = [await anext(messages), await anext(messages)]
            await asyncio.sleep(7)
            answer = await third.why("orders", "billing")
            assert found(answer) == ["IN_FLIGHT"]
            assert text(answer, "IN_FLIGHT").startswith("2 messages are with consumers at n2, the longest for 7.0 s")
            assert "untouched for 60 s" in text(answer, "IN_FLIGHT")
            taken[0].finish()
            taken[1].requeue(30.0)
            await asyncio.sleep(1)
            answer = await third.why("orders", "billing")
            assert found(answer) == ["BACKING_OFF"]
            assert "the next failed 1 time and is tried again in 29 s" in text(answer, "BACKING_OFF")
            (await anext(messages)).finish()
            await asyncio.sleep(1)
            answer = await third.why("orders", "billing")
            assert found(answer) == ["NONE"]
            assert "2 messages have been finished" in text(answer, "NONE")
            assert "1 consumer listens" in text(answer, "NONE")

    mesh.run(main())


def test_when_consumers_hold_what_they_may_it_says_who_and_for_how_long() -> None:
    mesh = Mesh(nodes=2)

    async def main() -> None:
        held: list[bytes] = []
        consumer = asyncio.create_task(hold(mesh.node("n2"), held), name="holder")
        await asyncio.sleep(1)
        for number in range(5):
            await mesh.node("n1").publish("orders", b"%d" % number)
        await mesh.run_until(lambda: len(held) == 2)
        await asyncio.sleep(20)
        answer = await mesh.node("n1").why("orders", "billing")
        assert found(answer) == ["NO_CREDIT", "IN_FLIGHT"]
        said = text(answer, "NO_CREDIT")
        assert said.startswith("3 messages wait at n1: every consumer holds as much as it may: 2 of 2 at n2")
        assert "the longest for 20 s" in said
        assert "max_in_flight" in said
        look = await mesh.node("n1").peek("orders", "billing")
        assert [(one["state"], one["at"], one["body"]) for one in look["messages"]] == [
            ("in_flight", "n2", b"0"),
            ("in_flight", "n2", b"1"),
            ("queued", "", b"2"),
            ("queued", "", b"3"),
            ("queued", "", b"4"),
        ]
        consumer.cancel()
        with suppress(asyncio.CancelledError):
            await consumer

    mesh.run(main())


def test_a_partition_between_origin_and_consumers_is_named_while_it_lasts_and_forgotten_when_it_heals() -> None:
    mesh = Mesh(nodes=3)

    async def main() -> None:
        first, second = mesh.node("n1"), mesh.node("n2")
        async with second.subscribe("orders", "billing") as messages:
            mesh.partition(["n1"], ["n2", "n3"])
            await first.publish("orders", b"one")
            await asyncio.sleep(30)
            answer = await first.why("orders", "billing")
            assert found(answer)[0] == "PEER_UNREACHABLE"
            said = text(answer, "PEER_UNREACHABLE")
            assert said.startswith("1 message waits at n1: its consumers were at n2, held dead for")
            assert "the network between is cut" in said
            answer = await second.why("orders", "billing")
            assert found(answer) == ["NODE_DEAD", "NONE"]
            assert text(answer, "NODE_DEAD").startswith("n1 is held dead")
            mesh.heal()
            (await anext(messages)).finish()
            await asyncio.sleep(20)
            assert found(await first.why("orders", "billing")) == ["NONE"]

    mesh.run(main())


def test_before_anybody_is_held_dead_the_missing_link_is_named_and_so_is_who_did_not_answer() -> None:
    mesh = Mesh(nodes=2)

    async def main() -> None:
        first = mesh.node("n1")
        async with mesh.node("n2").subscribe("orders", "billing"):
            mesh.partition(["n1"], ["n2"])
            mesh.cut("n1", "n2")
            await first.publish("orders", b"one")
            answer = await first.why("orders", "billing", timeout_s=0.5)
            assert found(answer) == ["PEER_UNREACHABLE", "NODE_SILENT"]
            assert "its consumers are at n2, and there is no link" in text(answer, "PEER_UNREACHABLE")
            assert answer["missing"] == ["n2"]
            mesh.heal()

    mesh.run(main())


def test_peek_gathers_the_messages_of_all_origins_in_turns_and_takes_none() -> None:
    mesh = Mesh(nodes=3)

    async def main() -> None:
        for name in ("n1", "n2", "n3"):
            for number in range(4):
                await mesh.node(name).publish("orders", b"%s-%d" % (name.encode(), number))
        look = await mesh.node("n3").peek("orders", limit=6)
        assert look["counts"] == {"in_flight": 0, "queued": 12, "deferred": 0}
        assert sorted(one["body"] for one in look["messages"]) == [
            b"n1-0", b"n1-1", b"n2-0", b"n2-1", b"n3-0", b"n3-1",
        ]  # fmt: skip
        await mesh.node("n1").create("orders", "billing")
        with pytest.raises(InvalidName, match="name one of billing"):
            await mesh.node("n2").peek("orders")
        with pytest.raises(MeshError, match="no channel mail; it has billing"):
            await mesh.node("n2").peek("orders", "mail")
        with pytest.raises(MeshError, match="no topic other"):
            await mesh.node("n2").peek("other")
        with pytest.raises(MeshError, match="1 to 1000"):
            await mesh.node("n2").peek("orders", "billing", limit=0)
        with pytest.raises(InvalidName):
            await mesh.node("n2").peek("or ders")
        for _ in range(3):
            await mesh.node("n2").peek("orders", "billing", limit=1000)
        async with mesh.node("n2").subscribe("orders", "billing") as messages:
            came = [await anext(messages) for _ in range(12)]
            assert [message.attempts for message in came] == [1] * 12
            for message in came:
                message.finish()
            await asyncio.sleep(1)
        assert (await mesh.node("n2").peek("orders", "billing"))["messages"] == []

    mesh.run(main())


def test_a_peek_of_large_messages_at_many_nodes_fits_one_answer() -> None:
    mesh = Mesh(nodes=4)

    async def main() -> None:
        for name in mesh.names:
            for _ in range(8):
                await mesh.node(name).publish("orders", b"\xff" * 200_000)
        look = await mesh.node("n1").peek("orders", limit=1000, whole_bodies=True)
        assert look["missing"] == []
        assert look["counts"]["queued"] == 32
        assert 500_000 < sum(len(one["body"]) for one in look["messages"]) <= 1 << 20
        assert {one["origin"] for one in look["messages"]} == set(mesh.names)

    mesh.run(main())


def test_a_node_that_is_leaving_says_so() -> None:
    mesh = Mesh(nodes=2)

    async def main() -> None:
        await mesh.node("n1").publish("orders", b"kept")
        async with meshq.connect("n1") as client:
            await client.drain(20.0)
        answer = await mesh.node("n2").why("orders")
        assert found(answer, "") == ["NO_CHANNEL", "DRAINING"]
        assert "n1 is leaving the mesh" in text(answer, "DRAINING")

    mesh.run(main())


def test_a_paused_channel_says_so_at_every_node_and_what_it_holds_up() -> None:
    mesh = Mesh(nodes=2)

    async def main() -> None:
        first, second = mesh.node("n1"), mesh.node("n2")
        async with second.subscribe("orders", "billing") as messages:
            await first.pause("orders", "billing")
            await asyncio.sleep(1)
            await first.publish("orders", b"one")
            answer = await second.why("orders", "billing")
            assert found(answer) == ["PAUSED"]
            assert text(answer, "PAUSED").startswith("billing is paused, nothing of it is handed out, 1 message waits")
            assert "meshq channels resume orders billing" in text(answer, "PAUSED")
            await second.pause("orders")
            await second.resume("orders", "billing")
            await asyncio.sleep(1)
            answer = await first.why("orders", "billing")
            assert found(answer) == ["PAUSED"]
            assert "meshq topics resume orders" in text(answer, "PAUSED")
            await first.resume("orders")
            (await anext(messages)).finish()
            await asyncio.sleep(1)
            assert found(await first.why("orders", "billing")) == ["NONE"]

    mesh.run(main())


def test_what_a_handler_raised_is_told_of_its_message_and_of_its_dead_letter() -> None:
    mesh = Mesh(nodes=2)

    async def main() -> None:
        first = mesh.node("n1")
        async with mesh.node("n2").subscribe("orders", "billing", backoff=lambda _: 30.0) as messages:
            await first.configure("orders", "billing", attempts_max=2)
            await first.publish("orders", b"poison")
            for _ in range(2):
                message = await anext(messages)
                with suppress(ZeroDivisionError):
                    async with message:
                        _ = 1 // 0
                await asyncio.sleep(1)
                if message.attempts == 1:
                    answer = await first.why("orders", "billing")
                    assert found(answer) == ["BACKING_OFF"]
                    assert "division" in text(answer, "BACKING_OFF")
                    (seen,) = (await first.peek("orders", "billing"))["messages"]
                    assert (seen["state"], seen["attempts"]) == ("deferred", 1)
                    assert "division" in seen["last_error"]
            answer = await first.why("orders", "billing")
            assert found(answer) == ["NONE", "ENDED"]
            assert "1 as dead letters" in text(answer, "ENDED")

    mesh.run(main())
