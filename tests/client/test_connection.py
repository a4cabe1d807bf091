"""Opening, losing, finding again and closing; questions and events over it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from meshq.client.mesh import Mesh, connect
from meshq.errors import (
    Closed,
    ConfigError,
    Fenced,
    LocalProtocolError,
    MeshError,
    Overloaded,
    RemoteProtocolError,
    Unconfirmed,
    Unreachable,
)
from meshq.machine.events import Lost, MemberJoined, MemberLeft, Trouble, to_map
from meshq.wire.frames import Answer, Ask, Fin, Goodbye, Happened, Hello, Subscribe, Unsubscribe, Watch
from tests.client.nodes import Lan, on_loop, silent, until


@on_loop
async def test_it_says_who_it_is_and_learns_who_answers() -> None:
    lan = Lan()
    node = lan.node()
    mesh = lan.mesh()
    assert mesh.node_name == ""
    async with mesh:
        assert mesh.node_name == "a"
        hello = node.all(Hello)[0]
        assert (hello.role, hello.name, hello.label) == ("client", "test", "")


@on_loop
async def test_it_can_be_awaited_and_closed_by_hand_and_closing_twice_is_harmless() -> None:
    lan = Lan()
    node = lan.node()
    mesh = await lan.mesh()
    assert await mesh is mesh
    await asyncio.gather(mesh.close(), mesh.close())
    await mesh.close()
    assert len(node.goodbyes) == 1
    with pytest.raises(Closed):
        await mesh.members()


@on_loop
async def test_closing_what_was_never_opened_is_harmless() -> None:
    lan = Lan()
    lan.node()
    mesh = lan.mesh()
    await mesh.close()
    assert lan.dialled == []


@on_loop
async def test_what_is_not_open_yet_says_so() -> None:
    lan = Lan()
    lan.node()
    mesh = lan.mesh()
    for call in (mesh.publish("t", b"x"), mesh.publish_many("t", [b"x"]), mesh.members(), mesh.subscribe("t", "c")):
        with pytest.raises(LocalProtocolError, match="open the mesh first"):
            await call
    async with mesh:
        await mesh.publish("t", b"x")


@on_loop
async def test_addresses_are_tried_in_turn_and_all_failures_are_told() -> None:
    lan = Lan()
    first, second = lan.node("1"), lan.node("2")
    lan.down.add(first.address)
    async with lan.mesh() as mesh:
        assert mesh.node_name == "2"
    lan.down.add(second.address)
    with pytest.raises(Unreachable, match=r"host-1.*host-2"):
        await lan.mesh()


@on_loop
async def test_a_node_that_refuses_the_hello_says_why() -> None:
    lan = Lan()
    node = lan.node()
    node.greet = False
    opening = asyncio.ensure_future(lan.mesh().__aenter__())
    await until(lambda: node.all(Hello))
    node.end(goodbye="LABEL")
    with pytest.raises(MeshError, match="the test said so") as caught:
        await opening
    assert caught.value.code == "LABEL"


@on_loop
async def test_a_node_that_does_not_answer_the_hello_is_given_up() -> None:
    lan = Lan()
    node = lan.node()
    node.greet = False
    with pytest.raises(Unreachable, match="no answer"):
        await lan.mesh(hello_timeout_s=0.05)


@on_loop
async def test_opening_that_is_cancelled_ends_the_connection() -> None:
    lan = Lan()
    node = lan.node()
    node.greet = False
    mesh = lan.mesh()
    opening = asyncio.ensure_future(mesh.__aenter__())
    await until(lambda: node.all(Hello))
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await until(lambda: node.stream is None)
    with pytest.raises(Closed):
        await mesh.publish("t", b"x")


@on_loop
async def test_when_a_node_dies_the_connection_moves_to_one_it_has_learned_of() -> None:
    lan = Lan()
    one, two = lan.node("1"), lan.node("2")
    async with lan.mesh(one) as mesh:
        lan.down.add(one.address)
        one.end()
        assert (await mesh.publish("t", b"x")).node == "2"
        assert two.sessions == 1
        lan.down.clear()
        two.end(goodbye="LEAVING")
        await until(lambda: one.sessions == 2)
        assert (await mesh.publish("t", b"y")).node == "1"


@on_loop
async def test_a_node_that_restarts_is_found_again() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        for round_number in range(3):
            lan.down.add(node.address)
            node.end()
            dialled = len(lan.dialled)
            await until(lambda before=dialled: len(lan.dialled) > before + 1)  # type: ignore[misc]
            lan.down.clear()
            await mesh.publish("t", b"%d" % round_number)
    assert node.sessions == 4


@on_loop
async def test_a_silent_node_is_left() -> None:
    lan = Lan()
    mute, other = lan.node("mute"), lan.node("other")
    async with lan.mesh(mute, heartbeat_s=0.05, silent_s=0.2) as mesh:
        mute.stream_received = silent  # type: ignore[method-assign, assignment]
        waiting = asyncio.ensure_future(mesh.publish("t", b"x"))
        with pytest.raises(Unconfirmed, match="silent"):
            await waiting
        assert (await mesh.publish("t", b"y")).node == "other"
    assert other.sessions == 1


@on_loop
async def test_a_pause_of_the_loop_is_no_silence_of_the_node() -> None:
    import time

    lan = Lan()
    node = lan.node()
    async with lan.mesh(heartbeat_s=0.05, silent_s=0.2) as mesh:
        await asyncio.sleep(0.06)
        time.sleep(0.4)  # noqa: ASYNC251
        await asyncio.sleep(0.15)
        await mesh.publish("t", b"x")
    assert node.sessions == 1


@on_loop
async def test_a_broken_frame_from_a_node_costs_the_connection_only() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        assert node.stream is not None
        node.stream.write([b"\x00\x00\x00\x02\xff\xff"])
        await until(lambda: node.sessions == 2)
        assert node.goodbyes[0].code == "BAD_CBOR"
        await mesh.publish("t", b"x")


@on_loop
async def test_closing_says_everything_in_order() -> None:
    lan = Lan()
    node = lan.node()
    mesh = await lan.mesh()
    messages = await mesh.subscribe("t", "c")
    node.deliver(node.flow, [b"x"])
    (await anext(messages)).finish()
    await mesh.close()
    order = [type(frame) for frame in node.frames if type(frame) in (Fin, Unsubscribe, Goodbye)]
    assert order == [Fin, Unsubscribe, Goodbye]


@on_loop
async def test_closing_while_there_is_no_node_ends_the_search() -> None:
    lan = Lan()
    node = lan.node()
    mesh = await lan.mesh()
    lan.down.add(node.address)
    node.end()
    waiting = asyncio.ensure_future(mesh.publish("t", b"x"))
    asking = asyncio.ensure_future(mesh.members())
    await until(lambda: len(lan.dialled) > 1)
    await mesh.close()
    for task in (waiting, asking):
        with pytest.raises(Closed):
            await task
    dialled = len(lan.dialled)
    await asyncio.sleep(0.1)
    assert len(lan.dialled) == dialled


@on_loop
async def test_a_dialler_that_ends_for_good_ends_the_mesh_with_its_error() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        messages = await mesh.subscribe("t", "c")
        events = mesh.events()

        async def fenced(*_: Any) -> Any:
            raise Fenced("a later start of 'a' is alive at 10.0.0.9:4155")

        mesh._connection._dial = fenced
        node.end()
        with pytest.raises(Fenced):
            await anext(messages)
        with pytest.raises(Fenced):
            await mesh.publish("t", b"x")
        assert isinstance(await anext(events), Trouble)
        with pytest.raises(Fenced):
            await anext(events)


def test_connect_is_a_plain_call_that_checks_addresses() -> None:
    assert isinstance(connect(), Mesh)
    assert isinstance(connect("10.0.0.1", "example.org:7000", "[::1]:4155", "::1"), Mesh)
    for wrong in ("", "host:port", "host:70000", "[::1"):
        with pytest.raises(ConfigError):
            connect(wrong)


# questions


@on_loop
async def test_questions_are_answered_each_with_its_own_answer() -> None:
    lan = Lan()
    node = lan.node()
    held: list[Ask] = []
    node.on_ask = held.append
    async with lan.mesh() as mesh:
        calls = [asyncio.ensure_future(mesh.ask("members", {"number": number})) for number in range(3)]
        await until(lambda: len(held) == 3)
        for ask in reversed(held):
            node.say(Answer(ask.number, "", ask.arguments["number"]))
        assert await asyncio.gather(*calls) == [0, 1, 2]


@on_loop
async def test_the_verbs_ask_by_their_names() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        node.on_ask = lambda ask: node.say(Answer(ask.number, "", {ask.kind: [], "topics": [], "next": ""}))
        await mesh.members()
        await mesh.topics()
        await mesh.topics("t")
        await mesh.stats()
        node.on_ask = lambda ask: node.say(Answer(ask.number, "", {"nodes": {}, "missing": [], "next": ""}))
        await mesh.stats(mesh=True)
        await mesh.create("t")
        await mesh.create("t", "c")
        await mesh.delete("t", "c")
        node.on_ask = lambda ask: node.say(Answer(ask.number, "", {"messages": 3}))
        assert await mesh.drain(2) == 3
    asked = [(ask.kind, ask.arguments) for ask in node.all(Ask)]
    assert asked == [
        ("members", {"after": ""}),
        ("topics", {"after": ""}),
        ("topics", {"topic": "t", "after": ""}),
        ("stats", {"after": ""}),
        ("stats", {"mesh": True, "after": ""}),
        ("create", {"topic": "t"}),
        ("create", {"topic": "t", "channel": "c"}),
        ("delete", {"topic": "t", "channel": "c"}),
        ("drain", {"timeout_s": 2}),
    ]


@on_loop
async def test_a_refused_question_raises_and_one_without_an_answer_is_unconfirmed() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        node.on_ask = lambda ask: node.say(Answer(ask.number, "FULL", "topics_max is reached"))
        with pytest.raises(Overloaded, match="topics_max"):
            await mesh.create("t")
        node.on_ask = silent
        with pytest.raises(Unconfirmed, match="did not answer"):
            await mesh.members(timeout_s=0.01)
        asking = asyncio.ensure_future(mesh.members())
        await until(lambda: len(node.all(Ask)) == 3)
        node.say(Answer(4711, "", "nobody asked"))
        node.end()
        with pytest.raises(Unconfirmed):
            await asking


@on_loop
async def test_open_questions_are_bounded() -> None:
    lan = Lan()
    node = lan.node()
    node.on_ask = silent
    async with lan.mesh(asks_max=2) as mesh:
        calls = [asyncio.ensure_future(mesh.members()) for _ in range(2)]
        await until(lambda: len(node.all(Ask)) == 2)
        with pytest.raises(Overloaded) as caught:
            await mesh.members()
        assert caught.value.limit == "asks_max"
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        node.on_ask = lambda ask: node.say(Answer(ask.number, "", {"members": [], "next": ""}))
        assert await mesh.members() == []


@on_loop
async def test_pages_are_put_together_and_what_is_none_is_refused() -> None:
    lan = Lan()
    node = lan.node()
    pages: dict[str, tuple[list[Any], str]] = {"": ([1, 2], "b"), "b": ([3], "c"), "c": ([], "")}
    odd_ones: list[Any] = [[], {"topics": [], "next": None}, {"topics": 5, "next": ""}, {"next": ""}]

    def turn(ask: Ask) -> None:
        topics, after = pages[ask.arguments["after"]]
        node.say(Answer(ask.number, "", {"node": "n", "topics": topics, "next": after}))

    def reply(value: Any, ask: Ask) -> None:
        node.say(Answer(ask.number, "", value))

    async with lan.mesh() as mesh:
        mesh_stats = partial(mesh.stats, mesh=True)
        node.on_ask = turn
        topics: list[Any] = list(await mesh.topics())
        assert topics == [1, 2, 3]
        assert await mesh.stats() == {"node": "n", "topics": [1, 2, 3]}
        for odd in odd_ones:
            node.on_ask = partial(reply, odd)
            for verb in (mesh.members, mesh.topics, mesh.stats, mesh_stats):
                with pytest.raises(RemoteProtocolError, match="another release"):
                    await verb()


# events


@on_loop
async def test_events_come_as_values_until_the_mesh_is_closed() -> None:
    lan = Lan()
    node = lan.node()
    joined, left = MemberJoined("b", "10.0.0.2:4155", 5), MemberLeft("b")
    mesh = await lan.mesh()
    events = mesh.events()
    await until(lambda: node.all(Watch))
    for event in (joined, left):
        node.say(Happened(to_map(event)))
    node.say(Happened({"event": "FromALaterVersion"}))
    assert [await anext(events), await anext(events)] == [joined, left]
    rest = asyncio.ensure_future(anext(events, None))
    await asyncio.sleep(0)
    await mesh.close()
    assert await rest is None
    assert [event async for event in mesh.events()] == []


@on_loop
async def test_a_listener_that_is_too_slow_is_told_how_many_it_lost() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh(events_max=3) as mesh:
        slow, quick = mesh.events(), mesh.events()
        await until(lambda: node.all(Watch))
        for number in range(8):
            node.say(Happened(to_map(MemberLeft(str(number)))))
            assert await anext(quick) == MemberLeft(str(number))
        assert [await anext(slow) for _ in range(4)] == [Lost(5), MemberLeft("5"), MemberLeft("6"), MemberLeft("7")]
        node.say(Happened(to_map(MemberLeft("after"))))
        assert await anext(slow) == MemberLeft("after")


@on_loop
async def test_listeners_hear_of_a_lost_connection_and_of_the_next() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        events = mesh.events()
        await until(lambda: node.all(Watch))
        node.end()
        assert isinstance(await anext(events), Trouble)
        assert isinstance(await anext(events), Trouble)
        await until(lambda: len(node.all(Watch)) == 2)
        node.say(Happened(to_map(MemberLeft("b"))))
        assert await anext(events) == MemberLeft("b")


@on_loop
async def test_when_nobody_listens_any_more_the_node_is_told() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        events = mesh.events()
        await until(lambda: node.all(Watch))
        del events
        node.say(Happened(to_map(MemberLeft("b"))))
        await until(lambda: len(node.all(Watch)) == 2)
    assert [watch.on for watch in node.all(Watch)] == [True, False]
    assert not node.all(Subscribe)
