"""Channels that begin with what is retained, at every origin of a mesh, however and whenever it hears of them."""

from __future__ import annotations

from typing import Any

from meshq.sim.disk import FULL
from meshq.wire import bodies
from meshq.wire.frames import Answer, Confirmed, Deliver, Refused, Subscribed
from tests.engine.cast import Cast, Talker


def ask(cast: Cast, kind: str, node: str = "n1", **arguments: Any) -> Answer:
    client = cast.client(node)
    client.session.ask(1, kind, arguments, 5_000)
    client.say()
    return client.expect(Answer)


def mesh(*names: str) -> Cast:
    """Nodes with stores, whose topic retains, and whose channel billing has finished a message of each."""
    cast = Cast(names, stores=True).start()
    ask(cast, "create", topic="orders", settings={"retention_s": 600})
    ask(cast, "create", topic="orders", channel="billing")
    cast.run(2.0)
    for name in names:
        publish(cast, name, b"of " + name.encode())
    consumer = subscribed(cast, names[0], "billing")
    used_up(cast, consumer, len(names))
    consumer.close()
    cast.run(15.0)  # the window of recent batches is over
    return cast


def publish(cast: Cast, node: str, body: bytes) -> None:
    publisher = cast.client(node)
    publisher.publish("orders", body)
    publisher.expect(Confirmed)


def subscribed(cast: Cast, node: str, channel: str, start: str | int | None = None) -> Talker:
    consumer = cast.client(node)
    consumer.session.subscribe(1, "orders", channel, 100, 100_000, start=start)
    consumer.say()
    consumer.expect(Subscribed)
    return consumer


def used_up(cast: Cast, consumer: Talker, messages: int, within_s: float = 20.0) -> list[bytes]:
    """Finish what comes until it is so many; what it was."""
    done: list[Deliver] = []

    def finished() -> bool:
        for frame in consumer.all(Deliver)[len(done) :]:
            done.append(frame)
            consumer.session.finish(1, frame.log, frame.start, frame.stop)
            consumer.say()
        return sum(frame.stop - frame.start for frame in done) >= messages

    cast.until(finished, within_s)
    return [body for frame in done for body in bodies.decode(frame.body) if isinstance(body, bytes)]


def retained(cast: Cast, node: str) -> int:
    (topic,) = cast.engine(node).broker.stats()
    found: int = topic["retained"]
    return found


def test_an_earliest_channel_begins_at_every_origin_with_what_it_retains() -> None:
    cast = mesh("n1", "n2", "n3")
    assert [retained(cast, name) for name in ("n1", "n2", "n3")] == [1, 1, 1]
    late = subscribed(cast, "n2", "late", "earliest")
    assert sorted(used_up(cast, late, 3)) == [b"of n1", b"of n2", b"of n3"]
    assert late.expect(Subscribed).options == {"created": True}


def test_a_channel_without_a_start_gets_nothing_that_is_retained() -> None:
    cast = mesh("n1", "n2")
    plain = subscribed(cast, "n2", "plain")
    cast.run(2.0)
    publish(cast, "n1", b"new")
    assert used_up(cast, plain, 1) == [b"new"]


def test_an_origin_that_was_down_or_cut_off_applies_the_start_when_it_hears_of_the_channel() -> None:
    cast = mesh("n1", "n2", "n3")
    cast.fleet.crash("n2")
    mend = cast.fleet.partition(("n1",), ("n3",))
    cast.run(1.0)
    late = subscribed(cast, "n1", "late", "earliest")
    assert used_up(cast, late, 1) == [b"of n1"]
    publish(cast, "n3", b"meanwhile")
    mend()
    cast.fleet.restart("n2")
    assert sorted(used_up(cast, late, 4, 120.0)) == [b"meanwhile", b"of n1", b"of n2", b"of n3"]


def test_a_replay_goes_on_where_it_was_after_a_restart_of_the_origin() -> None:
    cast = mesh("n1")
    for number in range(3):
        publish(cast, "n1", b"%d" % number)
    late = subscribed(cast, "n1", "late", "earliest")
    assert len(used_up(cast, late, 4)) == 4
    cast.run(1.0)
    cast.fleet.crash("n1")
    cast.run(0.1)
    cast.fleet.restart("n1")
    cast.run(4.0)
    publish(cast, "n1", b"new")
    assert used_up(cast, subscribed(cast, "n1", "late", "earliest"), 1) == [b"new"]


def test_a_channel_that_exists_stays_where_it_is_and_says_so() -> None:
    cast = mesh("n1")
    assert subscribed(cast, "n1", "billing", "earliest").expect(Subscribed).options == {}
    again = ask(cast, "create", topic="orders", channel="billing", settings={"start": "earliest", "attempts_max": 3})
    assert again.value["created"] is False
    assert cast.engine("n1").routing.settings("orders", "billing") == {"attempts_max": 3}
    refused = ask(cast, "configure", topic="orders", channel="billing", settings={"start": "earliest"})
    assert (refused.code, "counts when it is created" in refused.value) == ("CONFIG", True)
    ask(cast, "delete", topic="orders", channel="billing")
    assert used_up(cast, subscribed(cast, "n1", "billing", "earliest"), 1) == [b"of n1"]


def test_a_start_that_is_none_or_of_an_ephemeral_channel_is_refused() -> None:
    cast = mesh("n1")
    for channel, start in (("late", "yesterday"), ("late", -1), ("late#ephemeral", "earliest")):
        client = cast.client("n1")
        client.session.subscribe(1, "orders", channel, 10, 10_000, start=start)
        client.say()
        assert client.expect(Refused).code == "CONFIG"


def test_emptying_a_topic_forgets_what_it_retains_at_every_origin_and_says_where_the_rest_is() -> None:
    cast = mesh("n1", "n2")
    publish(cast, "n2", b"waits")
    told = ask(cast, "empty", topic="orders")
    assert told.value == {"channels": ["billing"], "retained": True}
    cast.until(lambda: retained(cast, "n1") == retained(cast, "n2") == 0)
    assert used_up(cast, subscribed(cast, "n1", "billing"), 1) == [b"waits"]


def test_a_full_disk_takes_what_is_retained_and_the_node_goes_on() -> None:
    cast = mesh("n1")
    disk = cast.fleet.hosts["n1"].disk
    disk.full = True
    publisher = cast.client("n1")
    publisher.publish("orders", b"one")
    assert FULL in publisher.expect(Refused).text
    cast.until(lambda: retained(cast, "n1") == 0)
    disk.full = False
    cast.run(2.0)
    publish(cast, "n1", b"goes on")
