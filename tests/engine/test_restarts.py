"""What a node's start makes of what its store kept, as a client sees it."""

from __future__ import annotations

import pytest

from meshq.sim.disk import FULL
from meshq.wire import bodies
from meshq.wire.frames import Confirmed, Deliver, Refused, Subscribed
from tests.engine.cast import Cast, Talker


def alone() -> Cast:
    """One node with a store."""
    cast = Cast(("n1",), stores=True)
    cast.fleet.start_all()
    cast.run(4.0)
    return cast


def again(cast: Cast, node: str = "n1", *, host: bool = False, down_s: float = 0.1) -> None:
    """The node's process, or its host, dies and starts again."""
    cast.fleet.crash(node, host=host)
    cast.run(down_s)
    cast.fleet.restart(node)
    cast.run(4.0)


def consuming(cast: Cast, node: str = "n1") -> Talker:
    consumer = cast.client(node)
    consumer.session.subscribe(1, "orders", "billing", 10, 10_000)
    consumer.say()
    consumer.expect(Subscribed)
    return consumer


def test_what_was_confirmed_at_disk_is_delivered_after_a_crash_and_what_was_finished_is_not() -> None:
    cast = alone()
    consumer, publisher = consuming(cast), cast.client("n1")
    publisher.publish("orders", b"one", b"two")
    assert publisher.expect(Confirmed).level == "disk"
    delivered = consumer.expect(Deliver)
    consumer.session.finish(1, delivered.log, 1, 2)
    consumer.say()
    cast.run(0.2)
    again(cast)
    found = consuming(cast).expect(Deliver)
    assert (found.log, found.start, bodies.decode(found.body)) == (delivered.log, 2, [b"two"])


@pytest.mark.parametrize(("level", "kept"), [("memory", False), ("disk", False), ("fsync", True)])
def test_a_power_loss_right_after_the_confirmation_takes_what_was_not_asked_to_be_synced(
    level: str, kept: bool
) -> None:
    cast = alone()
    publisher = cast.client("n1")
    publisher.publish("orders", b"one", level=level)
    assert publisher.expect(Confirmed).level == level
    again(cast, host=True)
    consumer = consuming(cast)
    cast.run(1.0)
    assert [bodies.decode(each.body) for each in consumer.all(Deliver)] == ([[b"one"]] if kept else [])


def test_a_message_that_was_deferred_and_then_requeued_comes_when_the_requeue_said() -> None:
    cast = alone()
    consumer, publisher = consuming(cast), cast.client("n1")
    publisher.publish("orders", b"later", delay_ms=100)
    delivered = consumer.expect(Deliver)
    consumer.session.requeue(1, delivered.log, 1, 2, 20_000, "requeue")
    consumer.say()
    cast.run(0.2)
    due_s = cast.fleet.world.now + 20.0
    again(cast)
    consumer = consuming(cast)
    cast.until(lambda: bool(consumer.all(Deliver)), within_s=30.0)
    assert cast.fleet.world.now == pytest.approx(due_s, abs=0.3)
    assert consumer.expect(Deliver).attempts == [[1, 2, 1]]


def test_a_message_that_was_deferred_by_a_clock_ten_years_ahead_waits_no_longer_than_its_delay() -> None:
    cast = alone()
    publisher = cast.client("n1")
    cast.fleet.hosts["n1"].skew(315_360_000.0)
    cast.run(0.1)
    publisher.publish("orders", b"later", delay_ms=3_000)
    publisher.expect(Confirmed)
    cast.fleet.hosts["n1"].skew(0.0)
    again(cast)
    assert bodies.decode(consuming(cast).expect(Deliver).body) == [b"later"]


def test_an_attempt_that_ended_with_its_process_is_still_counted_after_a_restart_of_the_origin() -> None:
    cast = Cast(("n1", "n2"), stores=True).start()
    consumer, publisher = consuming(cast, "n2"), cast.client("n1")
    publisher.publish("orders", b"poison")
    consumer.expect(Deliver)
    again(cast, "n2")
    consumer = consuming(cast, "n2")
    assert consumer.expect(Deliver).attempts == [[1, 2, 1]]
    cast.run(0.2)
    cast.fleet.crash("n1")
    cast.fleet.crash("n2")
    again(cast, "n1")
    again(cast, "n2")
    assert consuming(cast, "n2").expect(Deliver).attempts == [[1, 2, 1]], "nobody knows that n2 had it once more"


def test_a_full_disk_refuses_what_must_be_kept_takes_what_need_not_be_and_recovers() -> None:
    cast = alone()
    publisher = cast.client("n1")
    cast.fleet.hosts["n1"].disk.full = True
    publisher.publish("orders", b"one")
    assert FULL in publisher.expect(Refused).text
    publisher.publish("orders", b"two", request=2)
    assert publisher.expect(Refused, 2).code == "STORE"
    publisher.publish("orders", b"three", request=3, level="memory")
    assert publisher.expect(Confirmed).request == 3
    cast.fleet.hosts["n1"].disk.full = False
    cast.run(1.0)
    publisher.publish("orders", b"four", request=4)
    assert publisher.expect(Confirmed, 2).level == "disk"
