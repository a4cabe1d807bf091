"""The wrong rules that once looked right: the shortest trace that broke each of them, by the number of its pitfall.

The fifteenth (a link closed as idle with finished marks unacknowledged) is ``idle`` here and the engine's to obey.
"""

from __future__ import annotations

from meshq.wire.frames import Audit, Deliver, FinAck, Grant, Ready, Recall, Recalled, Return
from tests.broker.mesh import TIMEOUT_S, Mesh


def linked(*names: str) -> Mesh:
    mesh = Mesh(*names)
    for a, b in mesh.lines:
        mesh.connect(a, b)
    return mesh


def rest(mesh: Mesh) -> None:
    """Every frame arrives, and what lingers is over."""
    for _ in range(4):
        mesh.settle()
        mesh.pass_time(0.1)
    mesh.settle()


def check(mesh: Mesh) -> None:
    """All agree: the brokers with themselves, and every holder with its origin."""
    for broker in mesh.brokers.values():
        broker.check()
    for name, peer in mesh.directions():
        mesh.beat(name, peer)
    mesh.settle()
    assert mesh.broken == []


def test_01_recalled_credit_is_free_only_when_the_origin_has_answered() -> None:
    mesh = linked("a", "b", "r")
    mesh.consume("r", 1)
    mesh.publish("a", b"1")
    mesh.deliver("r", "a")  # READY: GRANT 1 is on its way
    mesh.publish("b", b"2")
    mesh.deliver("r", "b")
    assert [type(one) for one in mesh.line("a", "r").inbound("a")] == [Grant, Recall]
    assert not mesh.frames(Grant)[1:], "b is granted what a may still use"
    mesh.settle()
    assert len(mesh.hands) == 1
    check(mesh)


def test_02_unused_credit_is_recalled_for_an_origin_that_waits() -> None:
    mesh = linked("a", "b", "r")
    consumer = mesh.consume("r", 2)
    mesh.publish("a", b"1")
    rest(mesh)
    assert [len(mesh.bodies(consumer)), len(mesh.frames(Recall))] == [1, 0]
    mesh.publish("b", b"2")
    rest(mesh)
    assert mesh.bodies(consumer) == [b"1", b"2"]
    assert mesh.frames(Recalled)[0].messages == 1
    check(mesh)


def test_03_one_free_message_is_enough_to_serve_who_waits() -> None:
    mesh = linked("a", "b", "r")
    consumer = mesh.consume("r", 4)
    mesh.publish("a", b"1", b"2", b"3")
    rest(mesh)
    mesh.publish("b", b"4")
    rest(mesh)
    assert mesh.bodies(consumer) == [b"1", b"2", b"3", b"4"]


def test_04_ready_is_not_said_while_the_writer_is_blocked() -> None:
    mesh = linked("a", "b", "r")
    mesh.consume("r", 1)
    for name in ("a", "b"):
        mesh.line(name, "r").blocked[name] = True
        mesh.publish(name, b"1")
    assert mesh.settle() == 0
    mesh.line("a", "r").blocked["a"] = False
    mesh.turn("a")
    assert mesh.settle(20) > 0
    assert len(mesh.hands) == 1


def test_05_a_large_message_is_not_passed_by_small_ones_for_ever() -> None:
    mesh = linked("a", "b", "r")
    consumer = mesh.consume("r", 8, 10)
    mesh.publish("a", b"1", b"2")
    rest(mesh)
    mesh.publish("b", b"large" * 2)
    rest(mesh)
    mesh.publish("a", b"3", b"4", b"5")
    rest(mesh)
    assert mesh.bodies(consumer) == [b"1", b"2"], "everybody waits for the one whose turn it is"
    mesh.finish(consumer)
    rest(mesh)
    assert b"large" * 2 in mesh.bodies(consumer)


def test_06_a_window_does_not_stay_small_after_a_busy_moment() -> None:
    mesh = linked("a", "b", "r")
    consumer = mesh.consume("r", 64)
    mesh.publish("a", *[b"x"] * 64)
    mesh.publish("b", *[b"y"] * 64)
    rest(mesh)
    for _ in range(8):
        mesh.finish(consumer)
        rest(mesh)
    granted = len(mesh.frames(Grant))
    mesh.publish("a", *[b"x"] * 60)
    rest(mesh)
    assert len(mesh.bodies(consumer)) == 188
    assert len(mesh.frames(Grant)) <= granted + 1, "all of 64 is granted at once"


def test_07_bytes_lapse_with_the_last_message_of_their_grant() -> None:
    mesh = linked("a", "b", "r")
    consumer = mesh.consume("r", 2, 8)
    mesh.publish("a", b"1", b"2")
    rest(mesh)
    source, borrower = mesh.source("r", "a"), mesh.borrower("a", "r")
    assert source is not None
    assert borrower is not None
    assert (source.messages, source.bytes, borrower.messages, borrower.bytes) == (0, 0, 0, 0)
    mesh.publish("b", b"333")
    mesh.finish(consumer)
    rest(mesh)
    assert mesh.bodies(consumer) == [b"1", b"2", b"333"]


def test_07_a_message_larger_than_all_capacity_goes_alone() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 5, 10)
    mesh.publish("a", b"small")
    rest(mesh)
    mesh.publish("a", b"large" * 10, b"large" * 10)
    rest(mesh)
    assert len(mesh.hands) == 1
    for hands in (2, 3):
        mesh.finish(consumer)
        rest(mesh)
        assert len(mesh.hands) == hands
    assert mesh.frames(Grant)[-1].messages == 1
    check(mesh)


def test_08_an_audit_is_exact_while_messages_are_on_their_way() -> None:
    mesh = linked("a", "r")
    mesh.consume("r", 4)
    mesh.publish("a", b"1", b"2")
    rest(mesh)
    mesh.publish("a", b"3")  # DELIVER in flight: the holder knows of two, the origin of three
    mesh.beat("r", "a")
    mesh.settle()
    assert mesh.frames(Audit)[0].counts[0][1:] == (2, 2)
    assert mesh.broken == []


def test_08_a_holder_that_forgot_an_extent_is_found_by_the_next_audit() -> None:
    mesh = linked("a", "r")
    mesh.consume("r", 4)
    mesh.publish("a", b"1", b"2")
    rest(mesh)
    source = mesh.source("r", "a")
    assert source is not None
    next(iter(source.loans.values())).held -= 1
    mesh.beat("r", "a")
    mesh.settle()
    assert [(name, peer) for name, peer, _ in mesh.broken] == [("a", "r")]
    assert mesh.brokers["a"].counters.audit_differences == 1


def test_09_a_late_finish_over_a_new_session_leaves_the_next_holders_lease_counted() -> None:
    mesh = linked("a", "r", "s")
    first = mesh.consume("r", 1)
    mesh.publish("a", b"1")
    rest(mesh)
    mesh.cut("a", "r")
    mesh.notice("a", "r")
    mesh.notice("r", "a")
    second = mesh.consume("s", 1)
    rest(mesh)
    assert second.held == first.held
    mesh.finish(first)
    mesh.connect("a", "r")
    mesh.settle()
    assert mesh.left() == 0
    borrower = mesh.borrower("a", "s")
    assert borrower is not None
    assert borrower.leased() == 1
    check(mesh)
    mesh.finish(second)
    mesh.settle()
    assert borrower.leased() == 0
    check(mesh)


def test_10_a_late_finish_takes_the_lease_from_another_hand_at_the_same_node() -> None:
    mesh = linked("a", "r")
    slow = mesh.consume("r", 1)
    mesh.publish("a", b"1")
    rest(mesh)
    mesh.pass_time(TIMEOUT_S)
    other = mesh.consume("r", 1)
    rest(mesh)
    holders = [hand.consumer for _, hand in mesh.hands]
    assert len(holders) == 2
    mesh.finish(slow)
    mesh.settle()
    source, borrower = mesh.source("r", "a"), mesh.borrower("a", "r")
    assert source is not None
    assert borrower is not None
    assert source.holds() == borrower.leased() == mesh.left() == 0
    mesh.requeue(other, mesh.hands[0][1][1:4])
    check(mesh)
    assert mesh.brokers["a"].counters.requeued == 0, "a hand without a lease can only finish"


def test_11_a_deliver_that_crosses_a_late_finish_is_dropped() -> None:
    mesh = linked("a", "r")
    slow = mesh.consume("r", 1)
    mesh.publish("a", b"1")
    rest(mesh)
    mesh.pass_time(TIMEOUT_S)
    mesh.deliver("a", "r")  # REQ; the answers are READY and, granted, DELIVER
    while not any(isinstance(frame, Deliver) for frame in mesh.line("a", "r").inbound("r")):
        assert mesh.deliver("r", "a") or mesh.deliver("a", "r")
    mesh.finish(slow)
    rest(mesh)
    assert len(mesh.hands) == 1
    check(mesh)


def test_12_credit_ends_with_the_session_at_the_origin_too() -> None:
    mesh = linked("a", "b", "r")
    mesh.consume("r", 2)
    mesh.publish("a", b"1")
    rest(mesh)
    mesh.cut("a", "r")
    mesh.notice("r", "a")
    mesh.publish("b", b"2", b"3", b"4")
    rest(mesh)
    mesh.notice("a", "r")
    mesh.connect("a", "r")
    mesh.publish("a", b"5", b"6")
    rest(mesh)
    assert len(mesh.hands) == 2, "the first is in hand still, the room beside it went to b"
    check(mesh)


def test_13_a_link_lost_to_a_living_process_counts_no_attempt() -> None:
    mesh = linked("a", "r")
    mesh.publish("a", b"1")
    mesh.consume("r", 1)
    for _ in range(5):
        while not any(isinstance(frame, Deliver) for frame in mesh.line("a", "r").inbound("r")):
            assert mesh.deliver("r", "a") or mesh.deliver("a", "r")
        mesh.flap("a", "r")
    rest(mesh)
    assert [hand.attempts for _, hand in mesh.hands] == [[]]


def test_13_a_lease_lost_with_its_process_counts_one() -> None:
    mesh = linked("a", "r")
    mesh.consume("r", 1)
    mesh.publish("a", b"1")
    rest(mesh)
    mesh.crash("r")
    mesh.consume("r", 1)
    mesh.begin("r", "a")
    mesh.begin("a", "r")  # without having noticed the end of the last session
    rest(mesh)
    assert [hand.attempts for _, hand in mesh.hands] == [[], [[1, 2, 1]]]


def test_13_a_death_verdict_counts_one_once() -> None:
    mesh = linked("a", "r")
    mesh.consume("r", 1)
    mesh.publish("a", b"1")
    rest(mesh)
    died = mesh.epochs["r"]
    mesh.crash("r")
    mesh.brokers["a"].peer_died(mesh.now, "r", died)
    mesh.notice("a", "r")
    mesh.brokers["a"].peer_died(mesh.now, "r", died)
    mesh.consume("r", 1)
    mesh.connect("a", "r")
    rest(mesh)
    assert mesh.hands[-1][1].attempts == [[1, 2, 1]]


def test_14_a_running_hand_takes_the_lease_of_the_new_session() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 3)
    mesh.publish("a", b"1", b"2", b"3")
    rest(mesh)
    mesh.flap("a", "r")
    rest(mesh)
    assert len(mesh.hands) == 1, "nothing is handed over again"
    source, borrower = mesh.source("r", "a"), mesh.borrower("a", "r")
    assert source is not None
    assert borrower is not None
    assert (source.holds(), borrower.leased()) == (0, 0), "the consumer is full: nothing can be granted"
    mesh.resize(consumer, 6)
    rest(mesh)
    assert (len(mesh.hands), source.holds(), borrower.leased()) == (1, 3, 3)
    mesh.requeue(consumer, mesh.hands[0][1][1:4])
    rest(mesh)
    assert mesh.hands[-1][1].attempts == [[1, 4, 1]], "the adopted hand could requeue"
    check(mesh)


def test_14_running_hands_are_adopted_without_a_linger_when_little_is_free() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 8)
    mesh.publish("a", *[b"%d" % number for number in range(8)])
    rest(mesh)
    mesh.cut("a", "r")
    mesh.notice("r", "a")
    mesh.notice("a", "r")
    log, start, _ = consumer.held[0]
    mesh.finish(consumer, (log, start, start + 1))
    mesh.connect("a", "r")
    mesh.settle()  # no time passes
    borrower = mesh.borrower("a", "r")
    assert borrower is not None
    assert borrower.leased() == 7
    assert len(mesh.bodies(consumer)) == 8, "nothing is handed over twice"
    check(mesh)


def test_15_a_link_with_unacknowledged_finishes_is_not_idle_and_is_dialled() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 1)
    mesh.publish("a", b"1")
    rest(mesh)
    mesh.cut("a", "r")
    mesh.notice("r", "a")
    mesh.finish(consumer)
    assert ("r", "a") in mesh.wanted
    assert not mesh.brokers["r"].idle("a")
    mesh.notice("a", "r")
    mesh.connect("a", "r")
    mesh.settle()
    assert mesh.left() == 0
    assert not mesh.brokers["r"].idle("a")
    mesh.beat("a", "r")
    mesh.settle()
    assert mesh.frames(FinAck)
    assert mesh.brokers["r"].idle("a")
    assert mesh.brokers["a"].idle("r")


def test_a_deliver_for_a_channel_that_ended_here_comes_back() -> None:
    mesh = linked("a", "r")
    mesh.consume("r", 2)
    mesh.publish("a", b"1")
    rest(mesh)
    mesh.brokers["r"].channel_ended(mesh.now, "t", "c", 1)
    mesh.turn("r")
    mesh.publish("a", b"2")
    mesh.settle()
    assert [one.start for one in mesh.frames(Return)] == [2]
    assert mesh.frames(Ready)[-1].back_messages == 0
    assert mesh.broken == []


def test_credit_comes_back_from_a_channel_that_ended_at_the_origin() -> None:
    mesh = linked("a", "b", "r")
    consumer = mesh.consume("r", 2)
    mesh.publish("a", b"1")
    rest(mesh)
    mesh.finish(consumer)
    mesh.brokers["a"].channel_ended(mesh.now, "t", "c", 1)
    mesh.turn("a")
    mesh.publish("b", b"2", b"3")
    rest(mesh)
    assert mesh.bodies(consumer) == [b"1", b"2", b"3"]
    assert mesh.broken == []


def test_a_receiver_that_ended_grants_nothing_when_its_linger_is_over() -> None:
    mesh = linked("a", "r")
    consumer = mesh.consume("r", 100)
    mesh.publish("a", *[b"x"] * 120)
    rest(mesh)
    log, start, _ = consumer.held[0]
    mesh.finish(consumer, (log, start, start + 1))  # one free of a hundred waits for more
    granted = len(mesh.frames(Grant))
    mesh.brokers["r"].channel_ended(mesh.now, "t", "c", 1)
    mesh.turn("r")
    rest(mesh)
    assert len(mesh.frames(Grant)) == granted
    assert mesh.broken == []


def test_a_grant_that_is_read_together_with_a_recall_is_used_before_it_goes_back() -> None:
    """Else it would go round among the origins that wait as fast as links carry it, and no message with it."""
    mesh = linked("a", "b", "r")
    consumer = mesh.consume("r", 1)
    mesh.publish("a", b"1")
    mesh.publish("b", b"2")
    mesh.deliver("r", "a")
    mesh.deliver("r", "b")
    together = mesh.line("a", "r").inbound("a")
    assert [type(one) for one in together] == [Grant, Recall]
    while together:
        mesh.brokers["a"].frame(mesh.now, "r", together.popleft())
    mesh.turn("a")
    assert [type(one) for one in mesh.line("a", "r").inbound("r")] == [Deliver, Recalled]
    mesh.settle()
    assert mesh.bodies(consumer) == [b"1"]
    check(mesh)
