"""Publishing against scripted nodes: what shares a frame, what waits, what is tried again, what each caller is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from meshq.client.mesh import Mesh
from meshq.config import LinkConfig
from meshq.errors import (
    EXCEEDS,
    Closed,
    InvalidMessage,
    InvalidName,
    LevelUnavailable,
    LocalProtocolError,
    Overloaded,
    PartlyPublished,
    Unconfirmed,
    Unreachable,
)
from meshq.link.session import Session
from meshq.machine.effects import Address
from meshq.names import Epoch, LogId
from meshq.runtime.contract import StreamOwner
from meshq.wire import bodies
from meshq.wire.frames import VERSION, Confirmed, Hello, Publish
from tests.client.nodes import Lan, on_loop, silent, until


async def publish_all(mesh: Mesh, topic: str, count: int, **options: Any) -> list[Any]:
    """Publish concurrently from ``count`` coroutines; their receipts or errors, in order."""
    calls = [mesh.publish(topic, b"m%d" % number, **options) for number in range(count)]
    return await asyncio.gather(*calls, return_exceptions=True)


@on_loop
async def test_fifty_coroutines_that_publish_in_one_turn_share_one_frame() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        receipts = await publish_all(mesh, "t", 50)
    assert [frame.messages for frame in node.all(Publish)] == [50]
    assert node.published() == [b"m%d" % number for number in range(50)]
    assert len({receipt.id for receipt in receipts}) == 50
    assert [int(receipt.id[6:], 16) for receipt in receipts] == list(range(1, 51))


@on_loop
async def test_topics_and_options_do_not_share_a_frame() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        await asyncio.gather(
            mesh.publish("t", b"1"),
            mesh.publish("u", b"2"),
            mesh.publish("t", b"3", delay_s=0.0015),
            mesh.publish("t", b"4", level="memory"),
            mesh.publish("t", b"5", headers={"a": "b"}),
        )
    frames = [(frame.topic, frame.messages, frame.options) for frame in node.all(Publish)]
    assert frames == [("t", 2, {}), ("u", 1, {}), ("t", 1, {"delay_ms": 2}), ("t", 1, {"level": "memory"})]


@on_loop
async def test_a_frame_holds_at_most_256_messages_and_256_kib() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        await publish_all(mesh, "t", 600)
        await asyncio.gather(*(mesh.publish("u", bytes([number]) * 100_000) for number in range(1, 6)))
    frames = [(frame.topic, frame.messages) for frame in node.all(Publish)]
    assert frames == [("t", 256), ("t", 256), ("t", 88), ("u", 2), ("u", 2), ("u", 1)]


@on_loop
async def test_what_cannot_be_published_raises_at_once_and_spoils_nothing() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        good = asyncio.ensure_future(mesh.publish("t", b"good"))
        await asyncio.sleep(0)
        wrong: Any = "text"
        for error, code, call in (
            (InvalidMessage, "EMPTY", mesh.publish("t", b"")),
            (InvalidMessage, "BAD_BODY", mesh.publish("t", wrong)),
            (InvalidMessage, "TOO_BIG", mesh.publish("t", bytes(1_048_577))),
            (InvalidMessage, "BAD_BODY", mesh.publish("t", b"x", headers={str(n): "" for n in range(65)})),
            (InvalidMessage, "BAD_DELAY", mesh.publish("t", b"x", delay_s=-1)),
            (InvalidMessage, "BAD_DELAY", mesh.publish("t", b"x", delay_s=wrong)),
            (InvalidMessage, "BAD_TTL", mesh.publish("t", b"x", ttl_s=wrong)),
            (InvalidMessage, "BAD_BODY", mesh.publish("t", b"x", headers=[("a", "b")])),  # type: ignore[arg-type]
            (InvalidMessage, "BAD_BODY", mesh.publish_many("t", [b"x"], headers={1: 2})),  # type: ignore[dict-item]
            (LevelUnavailable, "LEVEL", mesh.publish("t", b"x", level=["disk"])),  # type: ignore[arg-type]
            (LocalProtocolError, "PROTOCOL", mesh.publish("t", b"x", timeout_s=wrong)),
            (LocalProtocolError, "PROTOCOL", mesh.publish_many("t", [b"x"], timeout_s=wrong)),
            (LocalProtocolError, "PROTOCOL", mesh.members(timeout_s=-1)),
            (InvalidMessage, "NO_CHANNEL", mesh.publish("t", b"x", channels=[])),
            (InvalidMessage, "NO_CHANNEL", mesh.publish_many("t", [b"x"], channels=())),
            (InvalidName, "BAD_CHANNEL", mesh.publish("t", b"x", channels=["no spaces"])),
            (InvalidMessage, "EMPTY", mesh.publish_many("t", [])),
            (InvalidMessage, "EMPTY", mesh.publish_many("t", [b"x", b""])),
            (InvalidName, "BAD_TOPIC", mesh.publish("no spaces", b"x")),
            (InvalidName, "BAD_TOPIC", mesh.publish_many("", [b"x"])),
        ):
            with pytest.raises(error) as caught:
                await call
            assert caught.value.code == code
        await good
    assert node.published() == [b"good"]


@on_loop
async def test_publish_many_keeps_the_order_and_answers_once() -> None:
    lan = Lan()
    node = lan.node()
    messages = [b"%d" % number for number in range(1000)]
    async with lan.mesh() as mesh:
        receipt = await mesh.publish_many("t", messages)
        assert (receipt.count, receipt.node, receipt.level) == (1000, "a", "memory")
        assert [int(each[6:], 16) for each in receipt.ids] == list(range(1, 1001))
        await mesh.publish_many("t", [b"plain", (b"own", {"k": "v"})], headers={"all": "x"})
    assert node.published() == [*messages, b"plain", b"own"]


@on_loop
async def test_credit_bounds_what_is_unconfirmed_and_waiters_go_in_order() -> None:
    lan = Lan()
    node = lan.node()
    node.options["publish_messages"] = 10
    held: list[Publish] = []
    node.on_publish = held.append
    async with lan.mesh() as mesh:
        calls = [asyncio.ensure_future(mesh.publish_many("t", [b"%d" % n] * 4)) for n in range(5)]
        await until(lambda: len(held) == 2)
        node.confirm(held.pop(0))
        await calls[0]
        await until(lambda: len(held) == 2)
        node.on_publish = node.confirm
        for frame in list(held):
            node.confirm(frame)
        await asyncio.gather(*calls)
    assert node.published() == [b"%d" % n for n in range(5) for _ in range(4)]


@on_loop
async def test_waiting_for_credit_ends_with_overloaded_naming_the_limit() -> None:
    lan = Lan()
    node = lan.node()
    node.options["publish_messages"] = 2
    node.on_publish = silent
    async with lan.mesh() as mesh:
        first = asyncio.ensure_future(mesh.publish_many("t", [b"1", b"2"]))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as caught:
            await mesh.publish("t", b"3", timeout_s=0.05)
        assert caught.value.limit == "publish_messages"
        assert not first.done()
        node.confirm(node.all(Publish)[0])
        await first
    assert node.published() == [b"1", b"2"]


@on_loop
async def test_a_full_node_is_asked_again_until_there_is_room() -> None:
    lan = Lan()
    node = lan.node()
    refusals = iter(range(3))

    def full_at_first(frame: Publish) -> None:
        if next(refusals, None) is None:
            node.confirm(frame)
        else:
            node.refuse(frame)

    node.on_publish = full_at_first
    async with lan.mesh() as mesh:
        receipt = await mesh.publish("t", b"x")
    assert receipt.level == "memory"
    assert len(node.all(Publish)) == 4


@on_loop
async def test_a_full_node_raises_overloaded_with_its_limit_after_the_timeout() -> None:
    lan = Lan()
    node = lan.node()
    node.on_publish = node.refuse
    async with lan.mesh() as mesh:
        began = asyncio.get_running_loop().time()
        with pytest.raises(Overloaded) as caught:
            await mesh.publish("t", b"x", timeout_s=0.3)
        took_s = asyncio.get_running_loop().time() - began
    assert (caught.value.limit, caught.value.code) == ("memory_bytes_max", "FULL")
    assert 0.29 <= took_s < 2
    assert 2 <= len(node.all(Publish)) < 20


@on_loop
async def test_a_topic_that_is_full_keeps_its_order_and_holds_no_other_up() -> None:
    lan = Lan()
    node = lan.node()
    full = True

    def answer(frame: Publish) -> None:
        if full and frame.topic == "t":
            node.refuse(frame, limit="topic_messages_max")
        else:
            node.confirm(frame)
            kept.append((frame.topic, frame.messages))

    kept: list[tuple[str, int]] = []
    node.on_publish = answer
    async with lan.mesh() as mesh:
        waiting = []
        for count in (1, 2, 3):
            waiting.append(asyncio.ensure_future(mesh.publish_many("t", [b"x"] * count)))
            await asyncio.sleep(0.01)
        await mesh.publish("u", b"y")
        refused = len(node.all(Publish))
        await until(lambda: len(node.all(Publish)) >= refused + 2)
        full = False
        await asyncio.gather(*waiting)
    assert kept == [("u", 1), ("t", 1), ("t", 2), ("t", 3)]


@pytest.mark.parametrize("how", ["its time is over", "its caller has gone"])
def test_when_the_one_that_asks_for_room_ends_the_next_one_asks(how: str) -> None:
    @on_loop
    async def main() -> None:
        lan = Lan()
        node = lan.node()
        node.on_publish = node.refuse
        async with lan.mesh() as mesh:
            timeout_s = 0.15 if how == "its time is over" else 5
            first = asyncio.ensure_future(mesh.publish("t", b"1", timeout_s=timeout_s))
            await until(lambda: len(node.all(Publish)) == 2)
            second = asyncio.ensure_future(mesh.publish("t", b"2", timeout_s=4))
            if how == "its caller has gone":
                first.cancel()
            await asyncio.wait((first,))
            node.on_publish = node.confirm
            async with asyncio.timeout(2):
                await second
        assert node.published()[-1] == b"2"

    main()


@on_loop
async def test_a_refusal_that_will_not_pass_is_raised_at_once() -> None:
    lan = Lan()
    node = lan.node()
    node.on_publish = lambda frame: node.refuse(frame, "LEVEL", "")
    async with lan.mesh() as mesh:
        with pytest.raises(LevelUnavailable):
            await mesh.publish("t", b"x", level="disk")
    assert len(node.all(Publish)) == 1


@on_loop
async def test_more_than_a_limit_ever_lets_in_is_refused_at_once() -> None:
    lan = Lan()
    node = lan.node()
    node.on_publish = lambda frame: node.refuse(frame, EXCEEDS, "messages_max")
    async with lan.mesh() as mesh:
        with pytest.raises(Overloaded) as caught:
            await mesh.publish_many("t", [b"x"] * 5)
    assert (caught.value.code, caught.value.limit) == (EXCEEDS, "messages_max")
    assert len(node.all(Publish)) == 1


@on_loop
async def test_publishes_that_shared_a_frame_are_asked_for_in_parts_when_together_they_are_too_much() -> None:
    lan = Lan()
    node = lan.node()
    node.on_publish = lambda frame: node.confirm(frame) if frame.messages < 3 else node.refuse(frame, EXCEEDS)
    async with lan.mesh() as mesh:
        await asyncio.gather(*(mesh.publish("t", b"%d" % number) for number in range(5)))
    assert [frame.messages for frame in node.all(Publish)] == [5, 2, 3, 1, 2]
    taken = [frame for frame in node.all(Publish) if frame.messages < 3]
    assert [body for frame in taken for body in bodies.decode(frame.body)] == [b"0", b"1", b"2", b"3", b"4"]


@on_loop
async def test_a_large_publish_that_is_half_refused_says_how_much_was_kept() -> None:
    lan = Lan()
    node = lan.node()

    def second_refused(frame: Publish) -> None:
        if len(node.all(Publish)) == 2:
            node.refuse(frame, "DELETED", "")
        else:
            node.confirm(frame)

    node.on_publish = second_refused
    async with lan.mesh() as mesh:
        with pytest.raises(PartlyPublished) as caught:
            await mesh.publish_many("t", [b"x"] * 600)
    assert caught.value.confirmed == 256 + 88
    assert "344 of 600" in str(caught.value)


@on_loop
async def test_a_publish_whose_connection_breaks_is_unconfirmed() -> None:
    lan = Lan()
    node = lan.node()
    node.on_publish = silent
    async with lan.mesh() as mesh:
        calls = [asyncio.ensure_future(mesh.publish("t", b"%d" % number)) for number in range(3)]
        many = asyncio.ensure_future(mesh.publish_many("t", [b"x"] * 300))
        await until(lambda: len(node.all(Publish)) == 3)
        node.end()
        for call in (*calls, many):
            with pytest.raises(Unconfirmed):
                await call
        node.on_publish = node.confirm
        await mesh.publish("t", b"after")
    assert node.published()[-1] == b"after"
    assert len(node.published()) == 304


@on_loop
async def test_with_retry_it_is_published_again_on_the_next_connection() -> None:
    lan = Lan()
    node = lan.node()
    node.on_publish = silent
    async with lan.mesh() as mesh:
        retried = asyncio.ensure_future(mesh.publish("t", b"again", retry=True))
        lost = asyncio.ensure_future(mesh.publish("t", b"once"))
        await until(lambda: len(node.all(Publish)) == 2)
        node.on_publish = node.confirm
        node.end()
        assert (await retried).node == "a"
        with pytest.raises(Unconfirmed):
            await lost
    assert sorted(node.published()) == [b"again", b"again", b"once"]


@on_loop
async def test_without_a_node_a_publish_waits_for_one_then_raises_unreachable() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        lan.down.add(node.address)
        node.end()
        await until(lambda: len(lan.dialled) > 2)
        with pytest.raises(Unreachable, match="refused"):
            await mesh.publish("t", b"late", timeout_s=0.05)
        waiting = asyncio.ensure_future(mesh.publish("t", b"patient"))
        await asyncio.sleep(0)
        lan.down.clear()
        await waiting
    assert node.published() == [b"patient"]


@on_loop
async def test_a_draining_node_is_left_for_another_and_nothing_is_lost() -> None:
    lan = Lan()
    old, new = lan.node("old"), lan.node("new")
    held: list[Publish] = []
    old.on_publish = held.append
    async with lan.mesh(old) as mesh:
        early = asyncio.ensure_future(mesh.publish("t", b"early"))
        await until(lambda: held)
        old.on_publish = lambda frame: old.refuse(frame, "DRAINING", "state")
        late = asyncio.ensure_future(mesh.publish("t", b"late"))
        await until(lambda: len(old.all(Publish)) == 2)
        await asyncio.sleep(0.02)
        assert not new.sessions, "left before what was sent was answered"
        old.confirm(held[0])
        assert (await early).node == "old"
        assert (await late).node == "new"
        assert mesh.node_name == "new"
    assert old.goodbyes
    assert new.published() == [b"late"]


@on_loop
async def test_a_cancelled_publish_that_was_not_sent_is_not_published() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        calls = [asyncio.ensure_future(mesh.publish("t", b"%d" % number)) for number in range(4)]
        many = asyncio.ensure_future(mesh.publish_many("t", [b"many"] * 3))
        await asyncio.sleep(0)
        node.on_publish = node.confirm
        calls[1].cancel()
        calls[3].cancel()
        many.cancel()
        results = await asyncio.gather(*calls, many, return_exceptions=True)
        await mesh.publish("t", b"last")
    kinds = [type(result).__name__ for result in results]
    assert kinds == ["Receipt", "CancelledError", "Receipt", "CancelledError", "CancelledError"]
    assert {b"0", b"2", b"last"} <= set(node.published()) <= {b"0", b"1", b"2", b"3", b"last", b"many"}


@on_loop
async def test_cancelled_in_the_same_turn_nothing_of_it_leaves() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        tasks: list[asyncio.Task[Any]] = []

        async def cancel_before_the_turn_ends() -> None:
            tasks[0].cancel()

        tasks.append(asyncio.ensure_future(mesh.publish("t", b"gone")))
        tasks.append(asyncio.ensure_future(mesh.publish("t", b"kept")))
        tasks.append(asyncio.ensure_future(cancel_before_the_turn_ends()))
        await asyncio.gather(*tasks, return_exceptions=True)
    assert node.published() == [b"kept"]


@on_loop
async def test_a_cancelled_publish_that_was_sent_leaves_the_others_their_answers() -> None:
    lan = Lan()
    node = lan.node()
    node.on_publish = silent
    async with lan.mesh() as mesh:
        calls = [asyncio.ensure_future(mesh.publish("t", b"%d" % number)) for number in range(3)]
        await until(lambda: node.all(Publish))
        calls[1].cancel()
        await asyncio.sleep(0)
        node.confirm(node.all(Publish)[0])
        first, second, third = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(second, asyncio.CancelledError)
    assert (first.id[-1], third.id[-1]) == ("1", "3")  # type: ignore[union-attr]


@on_loop
async def test_closing_waits_for_answers_and_tells_those_who_get_none() -> None:
    lan = Lan()
    node = lan.node()
    node.options["publish_messages"] = 1

    def late(frame: Publish) -> None:
        asyncio.get_running_loop().call_later(0.05, node.confirm, frame)

    node.on_publish = late
    mesh = await lan.mesh()
    answered = asyncio.ensure_future(mesh.publish("t", b"answered"))
    unsent = asyncio.ensure_future(mesh.publish("t", b"unsent"))
    await until(lambda: node.all(Publish))
    node.on_publish = silent
    await mesh.close()
    assert (await answered).node == "a"
    with pytest.raises((Closed, Unconfirmed)):
        await unsent
    with pytest.raises(Closed):
        await mesh.publish("t", b"after")
    with pytest.raises(Closed):
        await mesh.publish_many("t", [b"after"])


@on_loop
async def test_a_confirmation_nobody_waits_for_is_ignored() -> None:
    lan = Lan()
    node = lan.node()
    async with lan.mesh() as mesh:
        node.say(Confirmed(4711, node.log, 1, "memory"))
        await mesh.publish("t", b"x")


class Wire:
    """A node's end of a stream, with no turn of the loop between: what is written is noted, what it says is read."""

    full = False
    buffered_bytes = 0

    def __init__(self, owner: StreamOwner) -> None:
        self.owner = owner
        self.said: list[Any] = []
        self._session = Session(LinkConfig(), 0.0)

    def write(self, chunks: list[bytes]) -> None:
        for frame in self._session.receive(0.0, b"".join(chunks)):
            self.said.append(frame)
            if type(frame) is Hello:
                hello = Hello(VERSION, VERSION, [], "", "node", "n", Epoch(1, 1), "", {}, {"node": "n"})
                self._session.welcome(hello)
                asyncio.get_running_loop().call_soon(self.flush)

    def close(self, abort: bool = False) -> None:
        self.owner.stream_closed("eof")

    def confirm(self, request: int) -> None:
        self._session.send(Confirmed(request, LogId("n", 1, 1, 1, 0), 1, "memory"))
        self.flush()

    def flush(self) -> None:
        self.owner.stream_received(b"".join(self._session.output(0.0)))


@on_loop
async def test_what_a_confirmed_task_publishes_next_leaves_in_the_turn_that_woke_it() -> None:
    wires: list[Wire] = []

    async def dial(address: Address, owner: StreamOwner) -> Wire:
        wires.append(Wire(owner))
        return wires[0]

    async def publish_twice(mesh: Mesh) -> None:
        await mesh.publish("t", b"one")
        await mesh.publish("t", b"two")

    async with Mesh(dial, [("there", 1)]) as mesh:
        task = asyncio.create_task(publish_twice(mesh))
        await until(lambda: type(wires[0].said[-1]) is Publish)
        wires[0].confirm(wires[0].said[-1].request)
        before, later = len(wires[0].said), asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: later.set_result(wires[0].said[before:]))
        assert [type(frame) for frame in await later] == [Publish]
        wires[0].confirm(wires[0].said[-1].request)
        await task
