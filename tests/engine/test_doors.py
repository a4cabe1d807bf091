"""What a client may do at a node's door, and what it is told."""

from __future__ import annotations

from typing import Any

import pytest

from meshq.config import BrokerConfig, LinkConfig
from meshq.wire import bodies
from meshq.wire.codec import encode
from meshq.wire.frames import Answer, Confirmed, Deliver, Ended, Fin, Goodbye, Happened, Hello, Refused, Subscribed
from tests.engine.cast import Cast, Talker


def test_the_hello_tells_a_client_its_credit_and_where_else_to_go() -> None:
    cast = Cast(("n1", "n2")).start()
    hello = cast.client("n1").expect(Hello)
    assert hello.options["node"] == "n1"
    assert hello.options["publish_messages"] == LinkConfig().publish_messages
    assert hello.options["peers"] == [list(cast.fleet.address("n2"))]


def test_a_publish_is_confirmed_and_consumed_at_another_node() -> None:
    cast = Cast(("n1", "n2")).start()
    consumer, publisher = cast.client("n2"), cast.client("n1")
    consumer.session.subscribe(7, "orders", "billing", 10, 10_000)
    consumer.say()
    assert consumer.expect(Subscribed)[1:3] == (2, 2)
    publisher.publish("orders", b"one", b"two")
    confirmed = publisher.expect(Confirmed)
    assert (confirmed.log.origin, confirmed.first, confirmed.level) == ("n1", 1, "memory")
    delivered = consumer.expect(Deliver)
    assert (delivered.flow, delivered.start, delivered.stop) == (7, 1, 3)
    consumer.session.finish(7, delivered.log, 1, 3)
    consumer.say()
    cast.until(lambda: cast.engine("n1").messages_left == 0)


def test_publishes_of_one_turn_from_several_connections_become_one_batch() -> None:
    cast = Cast(("n1",)).start()
    clients = [cast.client("n1") for _ in range(3)]
    for client in clients:
        client.expect(Hello)
    for client in clients:
        client.publish("t", b"x")
    assert sorted(client.expect(Confirmed).first for client in clients) == [1, 2, 3]
    reader = cast.client("n1")
    reader.session.subscribe(1, "t", "c", 10, 10_000)
    reader.say()
    delivered = reader.expect(Deliver)
    assert (delivered.start, delivered.stop) == (1, 4)


@pytest.mark.parametrize(
    ("topic", "body", "code"),
    [
        ("bad topic", b"x", "BAD_TOPIC"),
        ("t", b"", "EMPTY"),
        ("t", bytes(100), "TOO_BIG"),
        ("a" * 65, b"x", "BAD_TOPIC"),
    ],
)
def test_what_cannot_be_published_is_refused_by_name_and_the_connection_goes_on(
    topic: str, body: bytes, code: str
) -> None:
    cast = Cast(("n1",), broker=BrokerConfig(message_bytes_max=99)).start()
    client = cast.client("n1")
    client.publish(topic, body)
    assert client.expect(Refused).code == code
    client.publish("t", b"fine", request=2)
    assert client.expect(Confirmed).request == 2


@pytest.mark.parametrize("options", [{"id": 1}, {"key": 1}, {"ttl_ms": -1}, {"priority": 9}, {"channels": ["?"]}])
def test_a_publish_that_is_refused_creates_no_topic(options: dict[str, Any]) -> None:
    cast = Cast(("n1",)).start()
    client = cast.client("n1")
    client.publish("t", b"x", **options)
    client.expect(Refused)
    assert list(cast.engine("n1").routing.topics()) == []


@pytest.mark.parametrize("level", ["disk", "fsync", "mind"])
def test_a_level_that_cannot_be_had_is_refused_with_the_reason(level: str) -> None:
    cast = Cast(("n1",)).start()
    client = cast.client("n1")
    client.publish("t", b"x", level=level)
    refused = client.expect(Refused)
    assert refused.code == "LEVEL"
    assert "memory" in refused.text


def test_a_full_node_refuses_with_the_limit_that_said_no_and_keeps_what_it_has() -> None:
    cast = Cast(("n1",), broker=BrokerConfig(memory_bytes_max=4_000)).start()
    client = cast.client("n1")
    for request in range(1, 11):
        client.publish("t", bytes(1_000), request=request)
    refused = client.expect(Refused)
    assert (refused.code, refused.limit) == ("FULL", "memory_bytes_max")
    kept = len(client.all(Confirmed))
    assert cast.engine("n1").messages_left == kept > 0


def test_more_unconfirmed_messages_than_allowed_cost_the_connection() -> None:
    cast = Cast(("n1",), link=LinkConfig(publish_messages=2)).start()
    client = cast.client("n1")
    client.publish("t", b"1", b"2", b"3")
    assert client.expect(Goodbye).code == "CREDIT"
    assert cast.engine("n1").messages_left == 0


def test_a_client_of_another_label_is_told_so_and_one_without_a_label_is_welcome() -> None:
    cast = Cast(("n1",)).start()
    assert cast.client("n1", label="other").expect(Goodbye).code == "LABEL"
    assert cast.client("n1").expect(Hello)


def test_a_subscription_that_waits_for_the_catalog_begins_when_it_is_there() -> None:
    cast = Cast(("n1", "n2"))
    cast.fleet.hosts["n2"].start()
    client = cast.client("n2", remote=True)
    client.expect(Hello)
    client.session.subscribe(1, "t", "c", 1, 1_000)
    client.publish("t", b"too early", request=5)
    assert client.expect(Refused).code == "STARTING"
    assert not client.all(Subscribed)
    cast.fleet.hosts["n1"].start()
    assert client.expect(Subscribed).asked == 2


def starting(link: LinkConfig | None = None) -> tuple[Cast, Talker]:
    """A node that waits for the catalog of another which has not started, and a client of it."""
    cast = Cast(("n1", "n2"), link=link)
    cast.fleet.hosts["n2"].start()
    client = cast.client("n2", remote=True)
    client.expect(Hello)
    return cast, client


def test_a_subscription_that_waits_for_the_catalog_twice_costs_the_connection_and_not_the_node() -> None:
    cast, client = starting()
    client.session.subscribe(1, "t", "c", 1, 1_000)
    client.session.subscribe(1, "t", "c", 1, 1_000)
    client.say()
    assert client.expect(Goodbye).code == "BAD_FRAME"
    cast.fleet.hosts["n1"].start()
    cast.until(lambda: cast.engine("n2").ready)
    assert cast.engine("n2").routing.known("t") is None


def test_who_leaves_a_subscription_that_waits_for_the_catalog_has_left() -> None:
    cast, client = starting()
    client.session.subscribe(1, "t", "left", 1, 1_000)
    client.session.subscribe(2, "t", "stays", 10, 1_000)
    client.session.capacity(2, 1, 1_000)
    client.session.unsubscribe(1)
    client.say()
    assert client.expect(Ended).flow == 1
    cast.fleet.hosts["n1"].start()
    assert client.expect(Subscribed).flow == 2
    client.publish("t", b"1", b"2", b"3")
    delivered = client.expect(Deliver)
    assert (delivered.start, delivered.stop) == (1, 2)
    assert cast.engine("n2").routing.channels("t") == ["stays"]


def test_one_more_than_may_wait_for_the_catalog_is_refused_and_creates_nothing() -> None:
    cast, client = starting(LinkConfig(subscriptions_max=1))
    client.session.subscribe(1, "t", "one", 1, 1_000)
    client.session.subscribe(2, "t", "more", 1, 1_000)
    client.say()
    refused = client.expect(Refused)
    assert (refused.request, refused.code) == (2, "STARTING")
    cast.fleet.hosts["n1"].start()
    assert client.expect(Subscribed).flow == 1
    assert cast.engine("n2").routing.channels("t") == ["one"]


def test_a_client_that_goes_away_returns_what_it_held_at_once() -> None:
    cast = Cast(("n1",)).start()
    first, second = cast.client("n1"), cast.client("n1")
    first.session.subscribe(1, "t", "c", 10, 10_000)
    first.say()
    first.expect(Subscribed)
    second.publish("t", b"x")
    first.expect(Deliver)
    second.session.subscribe(1, "t", "c", 10, 10_000)
    second.say()
    second.expect(Subscribed)
    before = cast.fleet.world.now
    first.close()
    delivered = second.expect(Deliver)
    assert delivered.attempts == [[1, 2, 1]]
    assert cast.fleet.world.now - before < 0.1


def test_a_resubscription_to_what_was_deleted_meanwhile_is_refused() -> None:
    cast = Cast(("n1",)).start()
    client = cast.client("n1")
    client.session.subscribe(1, "t", "c", 1, 100)
    client.say()
    before = client.expect(Subscribed).generation
    client.session.ask(1, "delete", {"topic": "t"}, 1_000)
    client.say()
    assert client.expect(Ended).code == "DELETED"
    client.session.subscribe(2, "t", "c", 1, 100, again=True)
    client.say()
    assert client.expect(Refused).code == "DELETED"
    client.session.subscribe(3, "t", "c", 1, 100)
    client.say()
    assert client.expect(Subscribed, 2).generation > before


def test_a_resubscription_to_a_channel_of_a_topic_that_began_anew_is_refused() -> None:
    cast = Cast(("n1",)).start()
    client = cast.client("n1")
    client.session.subscribe(1, "t", "c", 1, 100)
    client.say()
    client.expect(Subscribed)
    client.session.ask(1, "delete", {"topic": "t"}, 1_000)
    client.session.ask(2, "create", {"topic": "t"}, 1_000)
    client.session.subscribe(2, "t", "c", 1, 100, again=True)
    client.say()
    assert client.expect(Refused).code == "DELETED"


def test_a_resubscription_at_a_node_that_forgot_the_channel_with_its_memory_begins_it_anew() -> None:
    cast = Cast(("n1",)).start()
    client = cast.client("n1")
    client.session.subscribe(1, "t", "c", 1, 100, again=True)
    client.say()
    assert client.expect(Subscribed).generation > 0
    client.publish("t", b"x")
    client.expect(Deliver)


def test_frames_that_only_nodes_send_cost_a_client_its_connection() -> None:
    cast = Cast(("n1",)).start()
    client = cast.client("n1")
    client.expect(Hello)
    client._end.write([encode(Subscribed(1, 1, 1, 1))])
    assert client.expect(Goodbye).code == "BAD_FRAME"


def test_settlements_for_a_subscription_that_has_just_ended_are_ignored() -> None:
    cast = Cast(("n1",)).start()
    client = cast.client("n1")
    client.publish("t", b"x")
    log = client.expect(Confirmed).log
    client._end.write([encode(Fin(99, 1, [(log, 1, 2)]))])
    client.publish("t", b"y", request=2)
    client.expect(Confirmed, 2)
    assert cast.engine("n1").messages_left == 2


def test_who_watches_is_told_of_members_and_channels() -> None:
    cast = Cast(("n1", "n2"))
    cast.fleet.hosts["n1"].start()
    client = cast.client("n1")
    client.expect(Hello)
    client.session.watch(True)
    client.say()
    cast.run(0.1)
    cast.fleet.hosts["n2"].start()
    cast.until(lambda: any(frame.event["event"] == "MemberJoined" for frame in client.all(Happened)))


def test_who_watches_over_a_blocked_connection_loses_the_oldest_and_is_told_how_many() -> None:
    cast = Cast(("n1",), link=LinkConfig(events_max=3)).start()
    watcher, publisher = cast.client("n1"), cast.client("n1")
    watcher.expect(Hello)
    [door, *_] = cast.engine("n1")._doors._doors.values()
    watcher.session.watch(True)
    watcher.say()
    cast.run(0.1)
    cast.fleet.hosts["n1"].call("buffered", door.stream.number, 1 << 20)
    for number in range(5):
        publisher.publish(f"t{number}", b"x", request=number + 1)
    publisher.expect(Confirmed, 5)
    assert not watcher.all(Happened)
    cast.fleet.hosts["n1"].call("buffered", door.stream.number, 0)
    cast.until(lambda: len(watcher.all(Happened)) == 4)
    lost, *rest = (frame.event for frame in watcher.all(Happened))
    assert lost == {"event": "Lost", "count": 2}
    assert [event["topic"] for event in rest] == ["t2", "t3", "t4"]


def test_questions_are_answered_and_unknown_ones_named() -> None:
    cast = Cast(("n1", "n2")).start()
    client = cast.client("n1")
    client.session.ask(1, "members", {}, 1_000)
    client.session.ask(2, "nonsense", {}, 1_000)
    client.session.ask(3, "delete", {"topic": "never-was"}, 1_000)
    client.say()
    client.expect(Answer, 3)
    answers = {answer.number: answer for answer in client.all(Answer)}
    assert [member["name"] for member in answers[1].value["members"]] == ["n1", "n2"]
    assert answers[2].code == "UNKNOWN"
    assert "members" in answers[2].value
    assert answers[3].code == "NOT_FOUND"


@pytest.mark.parametrize("kind", ["create", "delete", "configure", "pause", "resume", "empty"])
def test_a_channel_that_is_no_text_is_refused_by_name_and_the_node_goes_on(kind: str) -> None:
    cast = Cast(("n1",)).start()
    client = cast.client("n1")
    client.publish("t", b"x")
    client.expect(Confirmed)
    nothings: list[object] = [None, [], {}, 0, b"", False]
    for number, nothing in enumerate(nothings):
        client.session.ask(number, kind, {"topic": "t", "channel": nothing, "settings": {}}, 1_000)
    client.say()
    client.expect(Answer, len(nothings))
    assert [answer.code for answer in client.all(Answer)] == ["BAD_CHANNEL"] * len(nothings)
    assert list(cast.engine("n1").routing.topics()) != []


def test_a_question_to_the_mesh_names_those_that_did_not_answer() -> None:
    cast = Cast(("n1", "n2", "n3")).start()
    cast.fleet.hosts["n3"].pause()
    client = cast.client("n1")
    client.session.ask(1, "stats", {"mesh": True}, 1_000)
    client.say()
    value = client.expect(Answer).value
    assert sorted(value["nodes"]) == ["n1", "n2"]
    assert value["missing"] == ["n3"]


def test_a_draining_node_refuses_publishes_and_leaves_when_its_messages_are_gone() -> None:
    cast = Cast(("n1", "n2")).start()
    publisher, consumer = cast.client("n1"), cast.client("n2")
    publisher.publish("t", b"x")
    publisher.expect(Confirmed)
    cast.fleet.hosts["n1"].call("drain", 10.0)
    cast.run(0.1)
    publisher.publish("t", b"y", request=2)
    assert publisher.expect(Refused).code == "DRAINING"
    consumer.session.subscribe(1, "t", "c", 1, 100)
    consumer.say()
    delivered = consumer.expect(Deliver)
    consumer.session.finish(1, delivered.log, 1, 2)
    consumer.say()
    assert publisher.expect(Goodbye).code == "LEAVING"
    cast.until(lambda: cast.engine("n2").membership.members["n1"].state.name == "LEFT")


def test_a_node_that_is_asked_to_drain_answers_before_it_says_goodbye() -> None:
    for messages in (0, 1):
        cast = Cast(("n1", "n2")).start()
        client = cast.client("n1")
        if messages:
            client.publish("t", b"x")
            client.expect(Confirmed)
        client.session.ask(1, "drain", {"timeout_s": 0.5}, 1_000)
        client.say()
        assert client.expect(Answer).value == {"messages": messages}
        assert client.expect(Goodbye).code == "LEAVING"


@pytest.mark.parametrize("where", ["memory", "asleep", "restarted"])
def test_what_is_accepted_after_a_delete_beyond_a_partition_opens_the_topic_anew(where: str) -> None:
    cast = Cast(("n1", "n2"), stores=where != "memory").start()
    deleter, publisher = cast.client("n1"), cast.client("n2")
    publisher.publish("t", b"before")
    publisher.expect(Confirmed)
    cast.run(0.5)
    mend = cast.fleet.partition(["n1"], ["n2"])
    deleter.session.ask(1, "delete", {"topic": "t"}, 1_000)
    deleter.say()
    assert deleter.expect(Answer).code == ""
    cast.run(2.0)
    publisher.publish("t", b"after", b"later", request=2, **({"delay_ms": 120_000} if where == "asleep" else {}))
    publisher.expect(Confirmed, 2)
    if where == "restarted":
        cast.run(0.1)
        cast.fleet.crash("n2", host=False)
        cast.fleet.restart("n2")
    mend()
    cast.until(lambda: (cast.engine("n1").routing.known("t") or 0) == 2, within_s=30.0)
    deleter.session.subscribe(1, "t", "c", 10, 1_000)
    deleter.say()
    cast.until(lambda: bool(deleter.all(Deliver)), within_s=150.0)
    delivered = deleter.expect(Deliver)
    assert (delivered.log.generation, bodies.decode(delivered.body)) == (2, [b"after", b"later"])


def test_a_capacity_that_no_node_allows_is_refused_for_good() -> None:
    cast = Cast(("n1",), broker=BrokerConfig(max_in_flight_max=100)).start()
    client = cast.client("n1")
    client.session.subscribe(1, "t", "c", 101, 1_000)
    client.say()
    refused = client.expect(Refused)
    assert refused.code == "CONFIG"
    assert "1 to 100" in refused.text
