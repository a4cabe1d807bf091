"""Subscriptions against scripted nodes: entering, taking, settling, keeping alive, leaving, coming back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from meshq.client import connection, vigil
from meshq.client import subscription as subscriptions
from meshq.client.mesh import Mesh
from meshq.client.message import Message
from meshq.client.subscription import Subscription
from meshq.errors import ChannelDeleted, InvalidName, LocalProtocolError, Overloaded, Unreachable
from meshq.names import LogId
from meshq.wire.frames import Capacity, Deliver, Ended, Fin, Req, Return, Subscribe, Subscribed, Touch, Unsubscribe
from tests.client.nodes import Lan, on_loop, silent, until


async def take(messages: Subscription, count: int) -> list[Message]:
    """The next ``count`` messages, unsettled."""
    return [await anext(messages) for _ in range(count)]


@on_loop
async def test_entering_waits_for_the_barrier_and_says_how_it_went() -> None:
    lan = Lan()
    node = lan.node()
    node.on_subscribe = silent
    async with lan.mesh() as mesh:
        entering = asyncio.ensure_future(mesh.subscribe("t", "c", max_in_flight=7, barrier_s=2.5).__aenter__())
        await until(lambda: node.all(Subscribe))
        assert not entering.done()
        frame = node.all(Subscribe)[0]
        assert (frame.topic, frame.channel, frame.messages) == ("t", "c", 7)
        assert frame.options == {"barrier_ms": 2500}
        node.say(Subscribed(frame.flow, 2, 3, 1))
        messages = await entering
        assert messages.barrier == (2, 3)
        await messages.close()
    assert node.all(Unsubscribe)


@on_loop
async def test_messages_come_in_order_and_finishes_of_a_turn_travel_together() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh, mesh.subscribe("t", "c") as messages:
        node.deliver(node.flow, [b"%d" % number for number in range(10)])
        seen = []
        async for message in messages:
            async with message:
                seen.append(message.body)
            if len(seen) == 10:
                break
    assert seen == [b"%d" % number for number in range(10)]
    assert node.finished() == [(1, 11)]
    assert len(node.all(Fin)) == 1


@on_loop
async def test_tasks_share_a_subscription_and_each_message_goes_to_one() -> None:
    lan = Lan()
    node = lan.node()
    taken: list[tuple[int, bytes]] = []

    async def work(number: int, messages: Subscription) -> None:
        async for message in messages:
            async with message:
                taken.append((number, message.body))
                await asyncio.sleep(0)

    async with lan.mesh() as mesh:
        async with mesh.subscribe("t", "c") as messages:
            workers = [asyncio.ensure_future(work(number, messages)) for number in range(4)]
            await asyncio.sleep(0)
            for number in range(3):
                node.deliver(node.flow, [b"%d-%d" % (number, each) for each in range(8)])
            await until(lambda: len(taken) == 24)
        await asyncio.gather(*workers)
    assert len({body for _, body in taken}) == 24
    assert {number for number, _ in taken} == {0, 1, 2, 3}


@on_loop
async def test_a_task_that_is_cancelled_while_it_waits_takes_no_message_with_it() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh, mesh.subscribe("t", "c") as messages:
        first = asyncio.ensure_future(anext(messages))
        second = asyncio.ensure_future(anext(messages))
        await asyncio.sleep(0)
        messages.delivered(Deliver(node.flow, node.log, 1, 2, 0, [], b"\x81\x41x"))
        first.cancel()  # it has been woken, and not run yet
        assert (await second).body == b"x"
        with pytest.raises(asyncio.CancelledError):
            await first


@on_loop
async def test_a_cancelled_handler_gives_its_message_back_at_once_and_counts_nothing() -> None:
    lan = Lan()
    node = lan.node()

    async def handle(messages: Subscription) -> None:
        async for message in messages:
            async with message:
                await asyncio.Event().wait()

    async with lan.mesh() as mesh, mesh.subscribe("t", "c") as messages:
        handler = asyncio.ensure_future(handle(messages))
        node.deliver(node.flow, [b"x", b"y"])
        await until(lambda: messages._inbox.taken)
        handler.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handler
        await until(lambda: node.all(Req))
        assert node.requeued() == [(1, 2, 0, "cancelled")]


@on_loop
async def test_a_failing_handler_requeues_with_the_subscriptions_backoff() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        async with mesh.subscribe("t", "c", backoff=lambda attempts: attempts * 0.25) as messages:
            node.deliver(node.flow, [b"x"], attempts=[[1, 2, 2]])
            with pytest.raises(ValueError, match="boom"):
                async with await anext(messages):
                    raise ValueError("boom")
            await until(lambda: node.all(Req))
        assert node.requeued() == [(1, 2, 750, "requeue")]
        assert node.all(Req)[0].options == {"error": "ValueError('boom')"}

        async with mesh.subscribe("t", "c") as messages:
            node.deliver(node.flow, [b"x"])
            (await anext(messages)).requeue()
        await until(lambda: len(node.all(Req)) == 2)
        assert 800 <= node.requeued()[1][2] <= 1200


@on_loop
async def test_leases_are_finished_whole_or_requeued_whole_or_one_by_one() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh, mesh.subscribe("t", "c") as messages:
        for _ in range(3):
            node.deliver(node.flow, [b"a", b"b", b"c", b"d"])
        leases = messages.leases()
        async with await anext(leases) as lease:
            assert lease.bodies == [b"a", b"b", b"c", b"d"]
        with pytest.raises(ValueError, match="boom"):
            async with await anext(leases):
                raise ValueError("boom")
        async with await anext(leases) as lease:
            lease[1].requeue(2)
        await until(lambda: len(node.all(Req)) == 2 and len(node.finished()) >= 3)
    assert sorted(node.finished()) == [(1, 5), (9, 10), (11, 13)]
    assert [(start, stop) for start, stop, _, _ in node.requeued()] == [(5, 9), (10, 11)]


@on_loop
async def test_a_handler_that_never_awaits_still_lets_its_finishes_leave() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh, mesh.subscribe("t", "c", max_in_flight=40) as messages:
        for _ in range(8):
            node.deliver(node.flow, [b"x"] * 5)
        await until(lambda: len(messages._inbox.waiting) == 8)
        handled = 0
        async for message in messages:
            async with message:
                handled += 1
            if handled == 40:
                break
        await until(lambda: node.finished() and node.finished()[-1][1] == 41)
    assert len(node.all(Fin)) >= 4


@on_loop
async def test_leaving_gives_back_the_untaken_and_what_is_in_hand_then_unsubscribes() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        async with mesh.subscribe("t", "c") as messages:
            node.deliver(node.flow, [b"0", b"1", b"2"])
            node.deliver(node.flow, [b"3", b"4"])
            held = await take(messages, 2)
            held[0].finish()
        held[1].finish()  # too late: it has gone back
        await until(lambda: node.all(Unsubscribe))
    assert node.finished() == [(1, 2)]
    assert node.returned() == [(4, 6)]
    assert node.requeued() == [(2, 4, 0, "cancelled")]
    kinds = [type(frame) for frame in node.frames if type(frame) in (Fin, Return, Req, Unsubscribe)]
    assert kinds[-1] is Unsubscribe


@on_loop
async def test_iterators_end_when_the_subscription_or_the_mesh_is_closed() -> None:
    lan = Lan()
    lan.node()
    mesh = await lan.mesh()
    one = await mesh.subscribe("t", "c")
    other = await mesh.subscribe("t", "d")

    async def read(messages: Subscription) -> list[bytes]:
        return [message.body async for message in messages]

    readers = [asyncio.ensure_future(read(one)), asyncio.ensure_future(read(other))]
    leases = asyncio.ensure_future(anext(other.leases(), None))
    await asyncio.sleep(0)
    await one.close()
    await one.close()
    assert await readers[0] == []
    assert not readers[1].done()
    await mesh.close()
    assert await readers[1] == []
    assert await leases is None


@on_loop
async def test_a_deleted_channel_ends_its_iterators_with_channel_deleted() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh, mesh.subscribe("t", "c") as messages:
        waiting = asyncio.ensure_future(anext(messages))
        await asyncio.sleep(0)
        node.say(Ended(node.flow, "DELETED", "t/c was deleted"))
        with pytest.raises(ChannelDeleted):
            await waiting
        with pytest.raises(ChannelDeleted):
            await anext(messages)
    assert not node.all(Unsubscribe)


@on_loop
async def test_after_a_reconnect_it_subscribes_again_and_drops_what_had_gone_back() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh, mesh.subscribe("t", "c", message_timeout_s=9) as messages:
        node.deliver(node.flow, [b"taken", b"untaken"])
        node.deliver(node.flow, [b"waiting"])
        (old,) = await take(messages, 1)
        node.end()
        await until(lambda: node.sessions == 2 and len(node.all(Subscribe)) == 2)
        again = node.all(Subscribe)[1]
        assert again.options == {"again": True, "timeout_ms": 9000}
        old.requeue()  # its lease has gone: nothing to say
        node.deliver(again.flow, [b"new"])
        assert [message.body for message in await take(messages, 1)] == [b"new"]
        assert messages.barrier == (3, 3)
    assert not [req for req in node.requeued() if req[0] == 1]


@on_loop
async def test_what_was_taken_before_a_reconnect_can_still_be_finished() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh, mesh.subscribe("t", "c") as messages:
        node.deliver(node.flow, [b"0", b"1"])
        first, second = await take(messages, 2)
        lan.down.add(node.address)
        node.end()
        await until(lambda: len(lan.dialled) > 1)
        first.finish()
        lan.down.clear()
        await until(lambda: node.finished() == [(1, 2)])
        second.finish()
        await until(lambda: node.finished() == [(1, 2), (2, 3)])


@on_loop
async def test_a_subscription_entered_while_there_is_no_node_waits_for_one() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        lan.down.add(node.address)
        node.end()
        await until(lambda: len(lan.dialled) > 1)
        with pytest.raises(Unreachable):
            await mesh.subscribe("t", "c", barrier_s=0.01, timeout_s=0.05)
        entering = asyncio.ensure_future(mesh.subscribe("t", "c").__aenter__())
        await asyncio.sleep(0)
        lan.down.clear()
        await (await entering).close()
    assert [frame.options for frame in node.all(Subscribe)] == [{}]


@on_loop
async def test_a_refused_subscription_is_tried_again_then_raises_what_refused_it() -> None:
    lan = Lan()
    node = lan.node()
    node.on_subscribe = lambda frame: node.refuse(frame, "FULL", "topics_max")
    async with lan.mesh() as mesh:
        with pytest.raises(Overloaded) as caught:
            await mesh.subscribe("t", "c", barrier_s=0, timeout_s=0.5)
        assert caught.value.limit == "topics_max"
        assert len(node.all(Subscribe)) > 1
        node.on_subscribe = lambda frame: node.refuse(frame, "DELETED", "")
        with pytest.raises(ChannelDeleted):
            await mesh.subscribe("t", "c")


@on_loop
async def test_shrinking_what_may_be_in_flight_gives_back_the_newest_untaken() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh, mesh.subscribe("t", "c", max_in_flight=10) as messages:
        node.deliver(node.flow, [b"0", b"1"])
        node.deliver(node.flow, [b"2", b"3", b"4", b"5"])
        node.deliver(node.flow, [b"6", b"7"])
        first = await anext(messages)
        messages.set_max_in_flight(4)
        assert messages.max_in_flight == 4
        await until(lambda: node.all(Capacity))
        assert node.returned() == [(7, 9), (5, 7)]
        assert [message.body for message in await take(messages, 3)] == [b"1", b"2", b"3"]
        messages.set_max_in_flight(0)
        await until(lambda: len(node.all(Capacity)) == 2)
        assert [frame.messages for frame in node.all(Capacity)] == [4, 0]
        first.finish()
        with pytest.raises(LocalProtocolError):
            messages.set_max_in_flight(-1)


@on_loop
async def test_what_waits_is_kept_alive_and_taking_it_late_starts_its_time() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh, mesh.subscribe("t", "c", message_timeout_s=0.6) as messages:
        node.deliver(node.flow, [b"0", b"1", b"2"])
        node.deliver(node.flow, [b"3"])
        first = await anext(messages)
        await until(lambda: len(node.all(Touch)) >= 4)
        spans = [span[1:] for touch in node.all(Touch) for span in touch.spans]
        assert set(spans) == {(4, 5), (2, 4)}, "what is taken is not kept alive"
        await until(lambda: messages._inbox.waiting[0].stale)
        before = len(node.all(Touch))
        await take(messages, 3)
        await until(lambda: len(node.all(Touch)) > before)
        assert node.all(Touch)[-1].spans == [(node.log, 4, 5)]
        first.finish()


@on_loop
async def test_what_is_taken_soon_costs_no_touch() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh, mesh.subscribe("t", "c") as messages:
        node.deliver(node.flow, [b"x"] * 100)
        for message in await take(messages, 100):
            message.finish()
        await until(lambda: node.finished())
    assert not node.all(Touch)


@on_loop
async def test_a_batch_that_cannot_be_read_is_put_off_and_the_next_one_comes() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh, mesh.subscribe("t", "c") as messages:
        log = LogId("a", 1, 2, 1, 0)
        node.say(Deliver(node.flow, log, 50, 52, 0, [], b"\x81\x41x"))
        node.deliver(node.flow, [b"good"])
        assert (await anext(messages)).body == b"good"
        await until(lambda: node.all(Req))
        assert node.requeued()[0][:2] == (50, 52)


@on_loop
async def test_frames_for_a_subscription_that_is_gone_are_ignored() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        async with mesh.subscribe("t", "c"):
            flow = node.flow
        node.say(Subscribed(flow, 1, 1, 1))
        node.say(Ended(flow, "DELETED", ""))
        node.deliver(flow, [b"late"])
        await mesh.publish("t", b"x")


@on_loop
async def test_a_subscription_must_be_entered_once_before_it_is_used() -> None:
    lan = Lan()
    lan.node()
    async with lan.mesh() as mesh:
        messages = mesh.subscribe("t", "c")
        with pytest.raises(LocalProtocolError, match="enter"):
            aiter(messages)
        with pytest.raises(LocalProtocolError, match="enter"):
            messages.leases()
        async with messages:
            with pytest.raises(LocalProtocolError, match="once"):
                await messages
        for wrong in ({"max_in_flight": 0}, {"max_in_flight_bytes": 0}):
            with pytest.raises(LocalProtocolError):
                mesh.subscribe("t", "c", **wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidName):
            mesh.subscribe("t", "no spaces")


@on_loop
async def test_entering_that_is_cancelled_leaves_nothing_behind() -> None:
    lan = Lan()
    node = lan.node()
    node.on_subscribe = silent
    async with lan.mesh() as mesh:
        entering = asyncio.ensure_future(mesh.subscribe("t", "c").__aenter__())
        await until(lambda: node.all(Subscribe))
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        await until(lambda: node.all(Unsubscribe))
        assert not mesh._subscriptions._live


@on_loop
async def test_moving_to_another_node_finishes_what_is_in_hand_first() -> None:
    lan = Lan()
    old, new = lan.node("old"), lan.node("new")
    async with lan.mesh(old) as mesh, mesh.subscribe("t", "c") as messages:
        old.deliver(old.flow, [b"0"])
        old.deliver(old.flow, [b"1"])
        (held,) = await take(messages, 1)
        old.on_publish = lambda frame: old.refuse(frame, "DRAINING", "state")
        publishing = asyncio.ensure_future(mesh.publish("t", b"x"))
        await until(lambda: old.all(Return))
        assert old.returned() == [(2, 3)]
        assert not new.sessions
        held.finish()
        await publishing
        assert old.finished() == [(1, 2)]
        await until(lambda: new.all(Subscribe))
        new.deliver(new.flow, [b"from the new one"])
        assert (await anext(messages)).body == b"from the new one"


@on_loop
async def test_a_handler_that_takes_too_long_does_not_keep_a_draining_node() -> None:
    lan = Lan()
    old, new = lan.node("old"), lan.node("new")
    async with lan.mesh(old) as mesh, mesh.subscribe("t", "c") as messages:
        old.deliver(old.flow, [b"0"])
        held = await anext(messages)
        old.on_publish = lambda frame: old.refuse(frame, "DRAINING", "state")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection, "MOVE_TIMEOUT_S", 0.1)
            receipt = await mesh.publish("t", b"x")
        assert receipt.node == "new"
        held.finish()
        await until(lambda: new.finished() == [(1, 2)])


def test_the_moment_is_short_against_the_message_timeout() -> None:
    assert vigil.MOMENT_S * 10 <= subscriptions.TIMEOUT_S


def test_meshes_can_be_made_outside_a_loop() -> None:
    assert isinstance(Lan().mesh(Lan().node()), Mesh)


@on_loop
async def test_an_error_is_clipped_and_may_be_said_by_hand() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        async with mesh.subscribe("t", "c") as messages:
            node.deliver(node.flow, [b"x", b"y"])
            (await anext(messages)).requeue(error="\ud800" + "x" * 1_000)
            (await anext(messages)).requeue()
        await until(lambda: len(node.all(Req)) == 2)
        assert [req.options for req in node.all(Req)] == [{"error": "?" + "x" * 199}, {}]


@on_loop
async def test_a_body_that_cannot_be_read_is_given_up_as_broken() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        async with mesh.subscribe("t", "c") as messages:
            log = LogId("n", 1, 2, 1, 0)
            node.say(Deliver(node.flow, log, 1, 3, 0, [], b"\xff"))
            node.deliver(node.flow, [b"good"])
            assert (await anext(messages)).body == b"good"
            await until(lambda: node.all(Req))
        assert node.requeued() == [(1, 3, 0, "broken")]


@pytest.mark.parametrize("wrong", [1.5, "3", None, True, 0, 1 << 64])
def test_a_number_to_hold_that_is_none_is_refused_before_it_can_end_the_connection(wrong: Any) -> None:
    @on_loop
    async def test() -> None:
        lan = Lan()
        node = lan.node()
        async with lan.mesh() as mesh, mesh.subscribe("t", "c") as messages:
            for terms in ({"max_in_flight": wrong}, {"max_in_flight_bytes": wrong}):
                with pytest.raises(LocalProtocolError, match="whole number"):
                    mesh.subscribe("t", "d", **terms)
            if wrong != 0:
                with pytest.raises(LocalProtocolError, match="whole number"):
                    messages.set_max_in_flight(wrong)
            await mesh.publish("t", b"x")
        assert (node.sessions, node.published()) == (1, [b"x"])

    test()


@pytest.mark.parametrize("terms", [{"backoff": 3}, {"timeout_s": -1}, {"barrier_s": "1"}, {"message_timeout_s": True}])
def test_terms_of_the_wrong_kind_are_refused_by_name(terms: dict[str, Any]) -> None:
    @on_loop
    async def test() -> None:
        lan = Lan()
        lan.node()
        async with lan.mesh() as mesh:
            with pytest.raises(LocalProtocolError, match=next(iter(terms))):
                mesh.subscribe("t", "c", **terms)

    test()
