"""Consumers at one node: who is handed what, what comes back when, and what it counts."""

from __future__ import annotations

from collections import Counter

from meshq.config import BrokerConfig
from meshq.names import LogId
from meshq.wire.frames import Deliver, Fin, Req, Return
from tests.broker.mesh import TIMEOUT_S, Mesh
from tests.broker.test_pitfalls import check, linked, rest


def test_an_extent_larger_than_a_consumers_room_is_split() -> None:
    mesh = Mesh("a")
    one, two = mesh.consume("a", 2), mesh.consume("a", 5)
    mesh.publish("a", *[bytes([48 + at]) for at in range(9)])
    rest(mesh)
    assert (len(mesh.bodies(one)), len(mesh.bodies(two))) == (2, 5)
    mesh.finish(one)
    rest(mesh)
    mesh.finish(two)
    rest(mesh)
    assert sorted(mesh.bodies(one) + mesh.bodies(two)) == [bytes([48 + at]) for at in range(9)]


def test_many_consumers_of_one_message_each_share_fairly() -> None:
    mesh = Mesh("a")
    consumers = [mesh.consume("a", 1) for _ in range(50)]
    for _ in range(10):
        mesh.publish("a", *[b"x"] * 50)
        for _ in range(4):
            rest(mesh)
            for consumer in consumers:
                mesh.finish(consumer)
    assert mesh.left() == 0
    assert {len(mesh.bodies(consumer)) for consumer in consumers} == {10}


def test_one_message_at_a_time_is_taken_in_turn_by_consumers_with_room() -> None:
    mesh = Mesh("a")
    consumers = [mesh.consume("a", 100) for _ in range(4)]
    for _ in range(12):
        mesh.publish("a", b"x")
    assert [len(mesh.bodies(consumer)) for consumer in consumers] == [3, 3, 3, 3]


def test_bytes_bound_a_consumer_as_messages_do() -> None:
    mesh = Mesh("a")
    consumer = mesh.consume("a", 100, 10)
    mesh.publish("a", *[b"1234"] * 5)
    rest(mesh)
    assert len(mesh.bodies(consumer)) == 2
    mesh.finish(consumer)
    rest(mesh)
    assert len(mesh.bodies(consumer)) == 4


def test_finishing_a_part_keeps_the_rest_of_the_lease() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 10)
    mesh.publish("a", *[b"x"] * 6)
    rest(mesh)
    log, start, _ = consumer.held[0]
    mesh.finish(consumer, (log, start + 2, start + 4))
    rest(mesh)
    borrower = mesh.borrower("a", "r")
    assert borrower is not None
    assert (borrower.leased(), mesh.left()) == (4, 6)
    check(mesh)
    mesh.finish(consumer)
    rest(mesh)
    assert mesh.left() == 0
    check(mesh)


def test_finishes_of_one_turn_travel_in_one_frame_as_ranges() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 100)
    for _ in range(5):
        mesh.publish("a", b"x", b"y")
    rest(mesh)
    log = consumer.held[0][0]
    mesh.finish(consumer, *[(log, number, number + 1) for number in range(1, 11) if number != 6])
    fins = mesh.frames(Fin)
    assert [[span[1:] for span in frame.spans] for frame in fins] == [[(1, 6), (7, 11)]]


def test_a_requeue_counts_an_attempt_and_a_cancellation_none() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 2)
    mesh.publish("a", b"1", b"2")
    rest(mesh)
    log, start, _ = consumer.held[0]
    mesh.requeue(consumer, (log, start, start + 1))
    mesh.requeue(consumer, (log, start + 1, start + 2), reason="cancelled")
    rest(mesh)
    again = [hand for _, hand in mesh.hands[1:]]
    assert [one for hand in again for one in hand.attempts] == [[1, 2, 1]]
    counters = mesh.brokers["a"].counters
    assert (counters.requeued, counters.cancelled) == (1, 1)
    check(mesh)


def test_a_requeue_with_a_delay_waits_for_it() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 2)
    mesh.publish("a", b"1")
    rest(mesh)
    mesh.requeue(consumer, consumer.held[0], delay_s=20.0)
    rest(mesh)
    mesh.pass_time(19.0)
    rest(mesh)
    assert len(mesh.hands) == 1
    mesh.pass_time(1.0)
    rest(mesh)
    assert mesh.hands[1][1].attempts == [[1, 2, 1]]


def test_what_was_never_taken_comes_back_without_counting() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 2)
    mesh.publish("a", b"1")
    rest(mesh)
    mesh.give_back(consumer, consumer.held[0])
    rest(mesh)
    assert mesh.frames(Return)
    assert mesh.hands[1][1].attempts == []


def test_a_message_timeout_frees_the_room_and_counts() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 2)
    mesh.publish("a", b"1", b"2")
    rest(mesh)
    mesh.pass_time(TIMEOUT_S - 2)
    assert len(mesh.hands) == 1
    mesh.pass_time(3.0)
    rest(mesh)
    assert [frame.reason for frame in mesh.frames(Req)] == ["timeout"]
    assert mesh.hands[1][1].attempts == [[1, 3, 1]]
    assert len(mesh.bodies(consumer)) == 4
    check(mesh)


def test_a_touch_starts_the_timeout_again_for_what_it_names() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 2)
    mesh.publish("a", b"1", b"2")
    rest(mesh)
    log = consumer.held[0][0]
    mesh.pass_time(50.0)
    mesh.touch(consumer, (log, 2, 3))
    mesh.pass_time(15.0)
    rest(mesh)
    assert [(frame.start, frame.stop) for frame in mesh.frames(Req)] == [(1, 2)]
    mesh.pass_time(50.0)
    rest(mesh)
    assert (2, 3) in [(frame.start, frame.stop) for frame in mesh.frames(Req)]


def test_a_late_finish_still_counts() -> None:
    mesh = linked("a", "r")
    slow = mesh.consume("r", 1)
    mesh.publish("a", b"1")
    rest(mesh)
    mesh.resize(slow, 0)
    mesh.pass_time(TIMEOUT_S + 1)
    rest(mesh)
    assert mesh.left() == 1
    mesh.finish(slow)
    rest(mesh)
    assert mesh.left() == 0
    assert mesh.brokers["r"].counters.late_finished == 1


def test_expired_hands_are_kept_for_a_late_finish_up_to_a_limit() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 1)
    limit = mesh.limits.late_fins_max
    assert limit == 10_000
    found = mesh.brokers["r"]._registry.consumers[consumer.number]
    mesh.publish("a", b"1")
    rest(mesh)
    for _ in range(3):
        mesh.pass_time(TIMEOUT_S + 1)
        rest(mesh)
    assert found.late_extents == 0, "the same consumer has it again: one hand for one message"


def test_the_limit_of_late_finishes_holds_when_they_are_cut_to_pieces() -> None:
    mesh = Mesh("a", "r", broker=BrokerConfig(late_fins_max=2))
    mesh.connect("a", "r")
    slow = mesh.consume("r", 9)
    mesh.publish("a", *(b"%d" % number for number in range(9)))
    rest(mesh)
    ((log, start, stop),) = slow.held
    mesh.resize(slow, 0)
    mesh.pass_time(TIMEOUT_S + 1)
    rest(mesh)
    for number in range(start + 1, stop, 2):
        mesh.brokers["r"].consumers.finish(mesh.now, slow.number, [(log, number, number + 1)])
        assert mesh.brokers["r"]._registry.consumers[slow.number].late_extents <= 2
        mesh.turn("r")
    assert mesh.brokers["r"].counters.late_forgotten > 0
    mesh.brokers["r"].check()


def test_a_consumer_that_leaves_returns_what_it_has_at_once() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 3)
    mesh.publish("a", b"1", b"2", b"3", b"4")
    rest(mesh)
    mesh.leave(consumer)
    rest(mesh)
    assert Counter(frame.reason for frame in mesh.frames(Req)) == {"departed": 1}
    other = mesh.consume("r", 10)
    rest(mesh)
    assert mesh.bodies(other) == [b"1", b"2", b"3", b"4"]
    assert [one for _, hand in mesh.hands[1:] for one in hand.attempts] == [[1, 4, 1]]
    check(mesh)


def test_when_capacity_shrinks_the_buffer_goes_back_and_credit_is_recalled() -> None:
    mesh = linked("a", "b", "r")
    consumer = mesh.consume("r", 8)
    mesh.publish("a", b"1")
    rest(mesh)
    mesh.resize(consumer, 1)
    rest(mesh)
    receiver = mesh.receiver("r")
    assert receiver is not None
    assert (receiver.granted_messages, receiver.buffered_messages) == (0, 0)
    mesh.publish("a", b"2")
    rest(mesh)
    assert len(mesh.bodies(consumer)) == 1
    mesh.finish(consumer)
    rest(mesh)
    assert len(mesh.bodies(consumer)) == 2
    check(mesh)


def test_a_consumer_that_shrank_below_what_it_holds_does_not_starve_another() -> None:
    mesh = Mesh("a")
    stuck = mesh.consume("a", 10)
    mesh.publish("a", *[b"x"] * 10)
    mesh.resize(stuck, 0)
    other = mesh.consume("a", 5)
    mesh.publish("a", *[b"y"] * 5)
    rest(mesh)
    assert len(mesh.bodies(other)) == 5


def test_a_consumer_finishes_only_what_it_was_handed() -> None:
    mesh = Mesh("a")
    one, two = mesh.consume("a", 1), mesh.consume("a", 1)
    mesh.publish("a", b"1")
    holder, stranger = (one, two) if one.held else (two, one)
    mesh.finish(stranger, *holder.held)
    mesh.finish(stranger, (LogId("a", 9, 9, 9, 0), 1, 5))
    assert mesh.left() == 1
    mesh.finish(holder)
    assert mesh.left() == 0


def test_the_own_consumer_comes_first_and_is_never_waited_for() -> None:
    mesh = linked("a", "r")
    own, far = mesh.consume("a", 2), mesh.consume("r", 100)
    mesh.publish("a", b"1", b"2")
    rest(mesh)
    assert (len(mesh.bodies(own)), len(mesh.bodies(far))) == (2, 0)
    mesh.publish("a", b"3", b"4")
    rest(mesh)
    assert (len(mesh.bodies(own)), len(mesh.bodies(far))) == (2, 2)


def test_nearer_nodes_pull_first_and_equals_take_turns() -> None:
    mesh = Mesh("a", "b", "c", "d")
    broker = mesh.brokers["a"]
    for name in ("b", "c", "d"):
        mesh.begin("a", name)
    broker.interest(mesh.now, "t", "c", (("b", 2), ("c", 1), ("d", 1)))
    mesh.line("a", "b").blocked["a"] = mesh.line("a", "c").blocked["a"] = mesh.line("a", "d").blocked["a"] = True
    mesh.publish("a", b"1")
    orders = [tuple(broker.pullable()) for _ in range(20)]
    assert {*orders} == {("c", "d", "b"), ("d", "c", "b")}


def test_channels_take_turns_at_a_writer() -> None:
    mesh = linked("a", "r")
    for channel in ("c", "d"):
        for name in mesh.names:
            mesh.brokers[name].channel_born(mesh.now, "t", channel, 1, 0.0, True)
        mesh.brokers["a"].interest(mesh.now, "t", channel, (("r", 1),))
        mesh.serial += 1
        mesh.brokers["r"].consumers.joined(mesh.now, mesh.serial, "t", channel, 1, 1_000, 1 << 20, 60.0)
    mesh.turn("r")
    mesh.line("a", "r").blocked["a"] = True
    for _ in range(4):
        mesh.publish("a", *[b"x" * 100] * 4)
    broker = mesh.brokers["a"]
    for frame in broker.pull(mesh.now, "r", 1 << 20):
        mesh.write("a", "r", frame)
    while mesh.deliver("r", "a") or mesh.deliver("a", "r"):
        pass
    first = [frame for frame in broker.pull(mesh.now, "r", 2_000) if isinstance(frame, Deliver)]
    assert {frame.flow.channel for frame in first if not isinstance(frame.flow, int)} == {"c", "d"}
    assert len(first) < 8, "the rest stays until the writer has room"


def test_unacknowledged_finishes_are_bounded_and_the_oldest_go() -> None:
    mesh = Mesh("a", "r", broker=BrokerConfig(unacknowledged_fins_max=3))
    mesh.connect("a", "r")
    consumer = mesh.consume("r", 100)
    mesh.publish("a", *[b"x"] * 20)
    rest(mesh)
    log = consumer.held[0][0]
    mesh.cut("a", "r")
    mesh.notice("r", "a")
    for number in (1, 3, 5, 7, 9):
        mesh.finish(consumer, (log, number, number + 1))
    source = mesh.source("r", "a")
    assert source is not None
    assert list(source.fins.logs[log]) == [(5, 6), (7, 8), (9, 10)]
    assert mesh.brokers["r"].counters.fins_forgotten == 2


def test_a_broken_body_that_must_be_split_costs_its_own_messages_only() -> None:
    mesh = linked("a", "r")
    consumers = [mesh.consume("r", 1), mesh.consume("r", 1)]
    mesh.publish("a", b"bad", b"bad", b"good")
    line = mesh.line("a", "r")
    while not any(isinstance(frame, Deliver) for frame in line.inbound("r")):
        assert mesh.deliver("r", "a") or mesh.deliver("a", "r")
    frames = line.inbound("r")
    at, broken = next((at, frame) for at, frame in enumerate(frames) if isinstance(frame, Deliver))
    frames[at] = broken._replace(body=b"\xff" * len(broken.body))
    rest(mesh)
    assert mesh.brokers["r"].counters.broken_bodies == 2
    assert [body for consumer in consumers for body in mesh.bodies(consumer)] == [b"good"]
    check(mesh)


def test_a_peer_that_lends_without_credit_loses_its_session() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 5)
    mesh.publish("a", b"1")
    rest(mesh)
    borrower = mesh.borrower("a", "r")
    assert borrower is not None
    borrower.messages = borrower.bytes = 1_000
    mesh.publish("a", *[b"x"] * 50)
    mesh.settle()
    assert [(name, peer) for name, peer, _ in mesh.broken] == [("r", "a")]
    assert len(mesh.bodies(consumer)) == 1


def test_a_peer_that_is_forgotten_leaves_nothing_behind() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 5)
    mesh.publish("a", b"1", b"2")
    mesh.publish("r", b"3")
    rest(mesh)
    mesh.cut("a", "r")
    mesh.notice("a", "r")
    mesh.notice("r", "a")
    mesh.finish(consumer)
    mesh.brokers["r"].peer_forgotten(mesh.now, "a")
    mesh.turn("r")
    assert mesh.brokers["r"].idle("a")
    assert mesh.source("r", "a") is None
    mesh.brokers["r"].check()
    mesh.brokers["a"].interest(mesh.now, "t", "c", ())
    mesh.brokers["a"].peer_forgotten(mesh.now, "r")
    mesh.brokers["a"].check()
    own = mesh.consume("a", 5)
    rest(mesh)
    assert mesh.bodies(own) == [b"1", b"2"]
