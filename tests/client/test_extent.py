"""Every move of a lent message, against a subscription that only notes what it was told."""

from __future__ import annotations

import asyncio

import pytest

from meshq.client.extent import Extent
from meshq.client.lease import Lease
from meshq.client.message import Message
from meshq.errors import RemoteProtocolError
from meshq.names import LogId, message_id
from meshq.wire import bodies
from meshq.wire.frames import Deliver
from tests.client.nodes import on_loop

LOG = LogId("origin", 1, 2, 1, 0)


class Notes:
    """A Holder that keeps what extents say."""

    topic = "t"
    channel = "c"

    def __init__(self) -> None:
        self.gathered: list[Extent] = []
        self.requeued: list[tuple[int, int, float, str]] = []
        self.touched: list[tuple[int, int]] = []

    def wait_s(self, attempts: int) -> float:
        return 10.0 * attempts

    def gather(self, extent: Extent) -> None:
        self.gathered.append(extent)

    def requeue(self, extent: Extent, start: int, stop: int, delay_s: float, reason: str, error: str = "") -> None:
        self.requeued.append((start, stop, delay_s, reason))

    def touch(self, extent: Extent, start: int, stop: int) -> None:
        self.touched.append((start, stop))


def lend(count: int, attempts: list[list[int]] | None = None) -> tuple[Notes, Lease, Extent]:
    notes = Notes()
    items: list[bodies.Item] = [b"m%d" % number for number in range(count)]
    extent = Extent(notes, 1, Deliver(1, LOG, 100, 100 + count, 5, attempts or [], bodies.encode(items)))
    extent.load()
    return notes, Lease(extent), extent


def finish_and_fail(message: Message) -> None:
    message.finish()
    raise ValueError("late")


def test_a_message_tells_what_it_is() -> None:
    notes = Notes()
    body = bodies.encode([b"plain", [b"with", {"a": "b"}]])
    extent = Extent(notes, 1, Deliver(1, LOG, 100, 102, 77, [[101, 102, 2]], body))
    extent.load()
    plain, headed = Lease(extent)
    assert (plain.body, dict(plain.headers), plain.attempts) == (b"plain", {}, 1)
    assert (headed.body, dict(headed.headers), headed.attempts) == (b"with", {"a": "b"}, 3)
    assert (headed.id, headed.node, headed.timestamp_ns) == (message_id("t", LOG, 101), "origin", 77)
    assert (headed.topic, headed.channel) == ("t", "c")
    assert len(headed.id) == 16
    assert headed.id in repr(headed)


def test_finishes_in_order_become_one_run_per_turn() -> None:
    notes, lease, extent = lend(5)
    lease[0].finish()
    lease[1].finish()
    assert notes.gathered == [extent]
    assert extent.take_runs() == [(0, 2)]
    for position in (2, 3, 4):
        lease[position].finish()
    assert notes.gathered == [extent, extent]
    assert extent.take_runs() == [(2, 5)]
    assert extent.unsettled == 0


def test_finishes_out_of_order_become_several_runs() -> None:
    _, lease, extent = lend(6)
    for position in (3, 4, 0, 2, 1):
        lease[position].finish()
    assert extent.take_runs() == [(3, 5), (0, 1), (2, 3), (1, 2)]
    assert extent.take_runs() == []
    assert extent.unsettled == 1


def test_a_message_settles_once_whatever_is_called_later() -> None:
    notes, lease, extent = lend(3)
    for position, first in enumerate((Message.finish, Message.requeue, Message.give_back)):
        first(lease[position])
        for later in (Message.finish, Message.requeue, Message.give_back, Message.touch):
            later(lease[position])
    assert extent.take_runs() == [(0, 1)]
    assert notes.requeued == [(1, 2, 10.0, "requeue"), (2, 3, 0.0, "cancelled")]
    assert notes.touched == []
    assert extent.unsettled == 0


def test_requeueing_waits_by_attempts_unless_told_how_long() -> None:
    notes, lease, _ = lend(2, attempts=[[100, 101, 3]])
    lease[0].requeue()
    lease[1].requeue(0.5)
    assert notes.requeued == [(0, 1, 40.0, "requeue"), (1, 2, 0.5, "requeue")]


def test_a_lease_finishes_in_one_step() -> None:
    notes, lease, extent = lend(128)
    lease.finish()
    lease.finish()
    assert extent.take_runs() == [(0, 128)]
    lease[7].finish()
    lease[7].requeue()
    assert extent.take_runs() == []
    assert notes.requeued == []


def test_a_lease_finishes_the_rest_of_what_was_settled_singly() -> None:
    notes, lease, extent = lend(6)
    lease[0].finish()
    lease[2].requeue(1.0)
    lease[5].finish()
    lease.finish()
    runs = extent.take_runs()
    assert sorted(position for start, stop in runs for position in range(start, stop)) == [0, 1, 3, 4, 5]
    assert notes.requeued == [(2, 3, 1.0, "requeue")]


def test_a_lease_requeues_the_rest_alike_attempts_together() -> None:
    notes, lease, extent = lend(6, attempts=[[102, 104, 1]])
    lease[4].finish()
    lease.requeue()
    lease.requeue()
    assert notes.requeued == [
        (0, 2, 10.0, "requeue"),
        (2, 4, 20.0, "requeue"),
        (5, 6, 10.0, "requeue"),
    ]
    assert extent.take_runs() == [(4, 5)]
    assert notes.gathered


def test_touching_leaves_out_what_is_settled() -> None:
    notes, lease, _ = lend(4)
    lease[1].finish()
    lease.touch()
    lease[1].touch()
    lease[3].touch()
    lease.give_back()
    lease.touch()
    assert notes.touched == [(0, 1), (2, 4), (3, 4)]


def test_a_lease_is_a_sequence() -> None:
    _, lease, _ = lend(4)
    assert lease.bodies == [b"m0", b"m1", b"m2", b"m3"]
    assert len(lease) == 4
    assert [message.body for message in lease] == lease.bodies
    assert [message.body for message in lease[1:3]] == [b"m1", b"m2"]
    assert lease[-1].body == b"m3"
    with pytest.raises(IndexError):
        lease[4]
    assert (lease.topic, lease.channel, lease.node, lease.timestamp_ns) == ("t", "c", "origin", 5)
    assert "messages=4" in repr(lease)


def test_bodies_leave_headers_out() -> None:
    extent = Extent(Notes(), 1, Deliver(1, LOG, 1, 3, 0, [], bodies.encode([b"a", [b"b", {"k": "v"}]])))
    extent.load()
    assert Lease(extent).bodies == [b"a", b"b"]


@pytest.mark.parametrize("body", [b"", b"\x81\x41a", b"\x82\x41a", bodies.encode([b"a"] * 3), b"\xff"])
def test_a_body_that_is_not_what_was_announced_is_refused(body: bytes) -> None:
    extent = Extent(Notes(), 1, Deliver(1, LOG, 1, 3, 0, [], body))
    with pytest.raises(RemoteProtocolError):
        extent.load()


def test_an_extent_that_was_cut_keeps_its_first_messages() -> None:
    _, lease, extent = lend(5)
    extent.cut(2)
    assert lease.bodies == [b"m0", b"m1"]
    lease.finish()
    assert extent.take_runs() == [(0, 2)]


@on_loop
async def test_leaving_the_context_well_finishes() -> None:
    notes, lease, extent = lend(2)
    async with lease[0] as message:
        assert message.body == b"m0"
    assert extent.take_runs() == [(0, 1)]
    assert notes.requeued == []


@on_loop
async def test_an_exception_requeues_with_backoff_and_goes_on() -> None:
    notes, lease, extent = lend(2)
    with pytest.raises(ValueError, match="handler"):
        async with lease[0]:
            raise ValueError("handler")
    with pytest.raises(ValueError, match="handler"):
        async with lease:
            raise ValueError("handler")
    assert notes.requeued == [(0, 1, 10.0, "requeue"), (1, 2, 10.0, "requeue")]
    assert extent.take_runs() == []


@on_loop
async def test_cancellation_gives_back_at_once_and_goes_on() -> None:
    notes, lease, _ = lend(3)
    with pytest.raises(asyncio.CancelledError):
        async with lease[1]:
            raise asyncio.CancelledError
    with pytest.raises(KeyboardInterrupt):
        async with lease:
            raise KeyboardInterrupt
    assert notes.requeued == [(1, 2, 0.0, "cancelled"), (0, 1, 0.0, "cancelled"), (2, 3, 0.0, "cancelled")]


@on_loop
async def test_what_the_handler_settled_itself_stays_so() -> None:
    notes, lease, extent = lend(3)
    async with lease[0] as message:
        message.requeue(3)
    with pytest.raises(ValueError, match="late"):
        async with lease[1] as message:
            finish_and_fail(message)
    async with lease:
        lease[2].give_back()
    assert notes.requeued == [(0, 1, 3, "requeue"), (2, 3, 0.0, "cancelled")]
    assert extent.take_runs() == [(1, 2)]
