"""Dead letters at the origin: which messages become some, and what they say."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from meshq.broker.broker import Broker
from meshq.broker.effects import ConsumerEnded, DeadLetters, Hand
from meshq.config import BrokerConfig, Config
from meshq.machine.effects import Load, Store
from meshq.machine.store import BatchRow, Finished, Tried
from meshq.names import Epoch, dead_topic
from meshq.sim.shelf import Shelf
from meshq.wire import bodies
from tests.broker.test_origin import WALL_NS, Node


class DeadNode(Node):
    """A node whose channel ``c`` has an attempts limit, and an engine that lets dead letters have their topic."""

    def __init__(self, attempts_max: int = 2, *, refuses: bool = False, **more: Any) -> None:
        super().__init__(**more)
        self.refuses = refuses
        self.asked: list[str] = []
        self.shelf = Shelf()
        self.full = False
        """The disk: it refuses batches."""
        self.slow = False
        """It says nothing, and keeps nothing."""
        self.channel("c")
        self.broker.configured(self.now, "t", "c", {"attempts_max": attempts_max})

    def restarted(self, attempts_max: int = 2) -> DeadNode:
        """The next start, which finds what this one left in the store."""
        node = DeadNode.__new__(DeadNode)
        Node.__init__(node, store=False)
        node.now = self.now
        node.refuses, node.asked, node.shelf, node.full, node.slow = False, [], self.shelf, False, False
        node.broker = Broker(Config(name="a", broker=BrokerConfig()), Epoch(2, 2), Random(1))
        node.broker.recover(node.now, WALL_NS, self.shelf.recovered().logs)
        node.broker.topic_born(node.now, "t", 1)
        node.broker.channel_born(node.now, "t", "c", 1, 100.0, False)
        node.broker.configured(node.now, "t", "c", {"attempts_max": attempts_max})
        node.broker.channel_born(node.now, "t.dead", "dlq", 1, 100.0, False)
        node.broker.recovered(node.now)
        node.turn()
        return node

    def keep(self, store: Store) -> None:
        """What the disk says of the rows."""
        self.stores.append(store)
        if self.slow:
            return
        left = store.without_batches() if self.full else store.rows
        self.shelf.apply(left)
        if len(left) < len(store.rows):
            self.broker.unstored(self.now, store.token, "disk full")
        else:
            self.broker.stored(self.now, store.token)

    def turn(self) -> None:
        while effects := self.broker.effects():
            for effect in effects:
                match effect:
                    case DeadLetters(topic):
                        self.asked.append(topic)
                        (self.spare if self.refuses else self.bury)(topic)
                    case Store():
                        self.keep(effect)
                    case Load(token):
                        self.broker.loaded(self.now, token, self.shelf.load(effect))
                    case Hand():
                        self.hands.append(effect)
                    case ConsumerEnded():
                        self.ended.append(effect)
            self.broker.check()

    def bury(self, topic: str) -> None:
        self.broker.topic_born(self.now, topic, 1)
        self.broker.channel_born(self.now, topic, "dlq", 1, 0.0, True)
        self.broker.bury(self.now, topic, 1)

    def spare(self, topic: str) -> None:
        self.broker.spare(self.now, topic)

    def fail(self, error: str = "", *, reason: str = "requeue", delay_s: float = 0.0) -> None:
        """Whatever was handed comes back."""
        hands, self.hands = self.hands, []
        for _, log, start, stop, *_ in hands:
            self.broker.consumers.requeue(self.now, 1, log, start, stop, delay_s, reason, error)
        self.turn()

    def letters(self, topic: str = "t.dead") -> list[tuple[bytes, dict[str, str]]]:
        """What a consumer of the dead letters gets."""
        self.broker.channel_born(self.now, topic, "dlq", 1, 0.0, True)
        self.broker.consumers.joined(self.now, 9, topic, "dlq", 1, 1_000, 1 << 20, 60.0)
        self.hands.clear()
        self.turn()
        found = [one for hand in self.hands for one in bodies.decode(hand.body)]
        return [(one[0], one[1]) for one in found if isinstance(one, list)]

    def rows(self, kind: type[Any]) -> list[tuple[int, Any]]:
        """The rows of that kind, with the Store that they were in."""
        return [(at, row) for at, store in enumerate(self.stores) for row in store.rows if isinstance(row, kind)]


def test_what_has_come_back_as_often_as_allowed_becomes_a_dead_letter_that_says_why() -> None:
    node = DeadNode(attempts_max=2)
    node.publish(b"poison")
    node.consume("c")
    node.fail("ValueError('first')")
    assert len(node.hands) == 1
    node.fail("KeyError('last')")
    assert node.hands == []
    assert node.broker.counters.dead == 1
    ((body, headers),) = node.letters()
    assert body == b"poison"
    said = {name.removeprefix("meshq-dead-"): text for name, text in headers.items()}
    assert (said["topic"], said["channel"], said["reason"], said["attempts"]) == ("t", "c", "attempts", "2")
    assert (said["first-error"], said["last-error"]) == ("ValueError('first')", "KeyError('last')")
    assert said["origin"] == "a"
    assert len(said["id"]) == 16
    assert int(said["at"]) > 0


def test_without_a_limit_a_message_goes_round_for_ever() -> None:
    node = DeadNode(attempts_max=0)
    node.publish(b"poison")
    node.consume("c")
    for _ in range(20):
        node.fail("no")
    assert len(node.hands) == 1
    assert node.asked == []


def test_a_topics_limit_is_for_the_channels_that_say_nothing() -> None:
    node = DeadNode()
    node.broker.configured(node.now, "t", "c", {})
    node.broker.configured(node.now, "t", "", {"attempts_max": 1})
    node.publish(b"poison")
    node.consume("c")
    node.fail("no")
    assert node.asked == ["t.dead"]


def test_only_the_poison_of_a_batch_dies() -> None:
    node = DeadNode(attempts_max=1)
    node.publish(b"1", b"2", b"3")
    node.consume("c")
    (hand,) = node.hands
    node.broker.consumers.requeue(node.now, 1, hand.log, 2, 3, 0.0, "requeue", "no")
    node.broker.consumers.finish(node.now, 1, [(hand.log, 1, 2), (hand.log, 3, 4)])
    node.turn()
    assert [body for body, _ in node.letters()] == [b"2"]


def test_the_letter_and_the_finished_message_are_kept_together() -> None:
    node = DeadNode(attempts_max=1)
    node.publish(b"poison")
    node.consume("c")
    node.fail("no")
    kept = [at for at, row in node.rows(BatchRow) if row.topic == "t.dead"]
    assert kept == [at for at, row in node.rows(Finished) if row.topic == "t"]
    assert len(kept) == 1


def test_what_the_disk_refuses_to_keep_as_a_letter_is_still_there_after_a_crash() -> None:
    node = DeadNode(attempts_max=1)
    node.publish(b"poison")
    node.consume("c")
    node.full = True
    node.fail("no")
    after = node.restarted(attempts_max=1)
    after.consume("c")
    after.wait(61.0)
    assert (after.bodies(), after.letters()) == ([b"poison"], [])


def test_a_crash_before_the_disk_answers_leaves_the_message_and_no_letter_or_the_letter_alone() -> None:
    node = DeadNode(attempts_max=1)
    node.publish(b"poison")
    node.consume("c")
    node.slow = True
    node.fail("no")
    before = node.restarted(attempts_max=1)
    before.consume("c")
    assert (before.bodies(), before.letters()) == ([b"poison"], [])
    node.shelf.apply(node.stores[-1].rows)
    after = node.restarted(attempts_max=1)
    after.consume("c")
    assert (after.bodies(), [body for body, _ in after.letters()]) == ([], [b"poison"])


def test_a_letter_that_the_disk_refuses_is_withdrawn_and_written_once_there_is_room() -> None:
    node = DeadNode(attempts_max=1)
    node.publish(b"poison")
    node.consume("c")
    node.full = True
    node.fail("no")
    assert (node.hands, node.broker.in_use("t.dead")[0], node.broker.counters.dead) == ([], 0, 0)
    node.full = False
    node.wait(61.0)
    assert len(node.hands) == 1
    node.fail("no")
    assert [body for body, _ in node.letters()] == [b"poison"]
    assert node.broker.counters.dead == 1
    after = node.restarted()
    after.consume("c")
    assert (after.bodies(), [body for body, _ in after.letters()]) == ([], [b"poison"])


def test_without_a_channel_a_refused_letter_is_kept_for_nobody() -> None:
    node = DeadNode(attempts_max=1)
    node.broker.topic_born(node.now, "t.dead", 1)
    node.publish(b"poison")
    node.consume("c")
    node.full = True
    node.refuses = True  # this test buries by itself
    node.broker.consumers.requeue(node.now, 1, node.hands[0].log, 1, 2, 0.0, "requeue", "no")
    node.hands.clear()
    assert DeadLetters("t.dead") in node.broker.effects()
    node.broker.bury(node.now, "t.dead", 1)
    node.turn()
    assert node.broker.in_use("t.dead")[0] == 0
    assert node.broker.messages_left() == 1


def test_a_channel_deleted_while_its_letter_is_on_its_way_has_the_letter_only() -> None:
    node = DeadNode(attempts_max=1)
    node.publish(b"poison")
    node.consume("c")
    node.slow = True
    node.fail("no")
    (letter,) = [store for store in node.stores if store.tied]
    node.broker.channel_ended(node.now, "t", "c", 1)
    node.turn()
    node.broker.stored(node.now, letter.token)
    node.turn()
    assert [body for body, _ in node.letters()] == [b"poison"]
    assert node.broker.counters.dead == 0


def test_a_topic_deleted_in_the_turn_of_the_letter_leaves_nothing_in_the_store() -> None:
    node = DeadNode(attempts_max=1)
    node.publish(b"poison")
    node.consume("c")
    node.broker.consumers.requeue(node.now, 1, node.hands[0].log, 1, 2, 0.0, "requeue", "no")
    assert DeadLetters("t.dead") in node.broker.effects()
    node.bury("t.dead")
    node.broker.topic_ended(node.now, "t", 1)
    node.turn()
    assert [log.topic for log in node.shelf.recovered().logs] == ["t.dead"]


def test_at_level_memory_no_letter_waits_for_the_store() -> None:
    node = DeadNode(attempts_max=1)
    node.broker.publish(node.now, 7, "t", 1, 1, bodies.encode([b"poison"]), wall_ns=WALL_NS)
    node.turn()
    node.consume("c")
    node.full = True
    node.fail("no")
    assert node.broker.counters.dead == 1
    assert [body for body, _ in node.letters()] == [b"poison"]


def test_errors_are_kept_with_the_attempts() -> None:
    node = DeadNode(attempts_max=3)
    node.publish(b"1")
    node.consume("c")
    node.fail("first")
    node.fail("last", delay_s=30.0)
    tried = [row for _, row in node.rows(Tried)]
    assert [(row.attempts, row.first_error, row.last_error) for row in tried] == [
        (1, "first", "first"),
        (2, "first", "last"),
    ]


def test_a_message_whose_consumer_left_too_often_says_so() -> None:
    node = DeadNode(attempts_max=1)
    node.publish(b"1")
    node.consume("c")
    node.broker.consumers.left(node.now, 1)
    node.turn()
    ((_, headers),) = node.letters()
    assert headers["meshq-dead-last-error"] == "its consumer left"


def test_a_timeout_counts_and_is_named() -> None:
    node = DeadNode(attempts_max=1)
    node.publish(b"1")
    node.consume("c")
    node.wait(120.0)
    ((_, headers),) = node.letters()
    assert headers["meshq-dead-last-error"] == "not finished in time"


def test_what_was_given_back_counts_nothing() -> None:
    node = DeadNode(attempts_max=1)
    node.publish(b"1")
    node.consume("c")
    for _ in range(5):
        node.fail(reason="cancelled")
    assert node.asked == []


def test_a_dead_letter_never_becomes_one_again() -> None:
    node = DeadNode(attempts_max=1)
    node.publish(b"poison")
    node.consume("c")
    node.fail("no")
    node.letters()
    node.broker.configured(node.now, "t.dead", "dlq", {"attempts_max": 1})
    for _ in range(3):
        hands, node.hands = node.hands, []
        for _, log, start, stop, *_ in hands:
            node.broker.consumers.requeue(node.now, 9, log, start, stop, 0.0, "requeue", "again")
        node.turn()
    assert len(node.hands) == 1
    assert node.asked == ["t.dead"]


def test_a_broken_body_goes_to_the_dead_letters_whatever_the_limit() -> None:
    node = DeadNode(attempts_max=0)
    node.publish(b"1", b"2")
    node.consume("c")
    node.fail("no CBOR", reason="broken")
    letters = node.letters()
    assert [(body, headers["meshq-dead-reason"]) for body, headers in letters] == [(b"1", "broken"), (b"2", "broken")]


def test_what_the_origin_cannot_read_either_becomes_one_letter_with_the_raw_bytes() -> None:
    node = DeadNode()
    node.publish(b"1", b"2")
    (batch,) = node.broker._registry.topics["t"].log.batches.values()
    node.consume("c")
    batch.body = b"\xff" * len(batch.body)
    node.fail("no CBOR", reason="broken")
    ((body, headers),) = node.letters()
    assert body == b"\xff" * len(batch.body)
    assert headers["meshq-dead-messages"] == "2"


@pytest.mark.parametrize("messages", [1, 1_000])
def test_what_the_origin_cannot_read_when_its_turn_comes_is_put_away_and_the_next_one_lent(messages: int) -> None:
    node = DeadNode()
    node.publish(b"1", b"2")
    node.publish(b"good")
    bad, _ = node.broker._registry.topics["t"].log.batches.values()
    bad.body = b"\xff" * len(bad.body)
    node.consume("c", messages=messages)
    assert node.bodies() == [b"good"]
    ((_, headers),) = node.letters()
    assert (headers["meshq-dead-reason"], headers["meshq-dead-messages"]) == ("broken", "2")


def damaged(node: DeadNode) -> None:
    """A bit of the store's file turned: in the first row the head of the third message says that it is longer."""
    load = node.shelf.load

    def loaded(ask: Load) -> list[BatchRow]:
        first, *rest = load(ask)
        return [first._replace(body=first.body[:19] + b"\x5a" + first.body[20:]), *rest]

    node.shelf.load = loaded  # type: ignore[method-assign]


def test_what_is_left_of_a_row_that_cannot_be_read_is_put_away_and_the_next_one_lent() -> None:
    before = DeadNode()
    before.publish(b"11111111", b"22222222", b"33333333", b"44444444")
    before.publish(b"good")
    before.consume("c", messages=1)
    before.broker.consumers.finish(before.now, 1, [(before.hands[0].log, 1, 2)])
    before.wait(1.0)
    damaged(before)
    node = before.restarted()
    node.consume("c")
    assert node.bodies() == [b"good"]
    ((_, headers),) = node.letters()
    assert (headers["meshq-dead-reason"], headers["meshq-dead-messages"]) == ("broken", "3")
    assert node.broker.messages_left() == 2


def test_what_cannot_be_read_is_left_out_of_a_topics_next_life() -> None:
    before = DeadNode()
    before.publish(b"11111111", b"22222222", b"33333333", b"44444444")
    before.publish(b"good")
    damaged(before)
    node = before.restarted()
    node.consume("c", messages=1)
    later = node.broker.accepted_since("t", 1, -1e9)
    assert [publishing.body for publishing in later] == [bodies.encode([b"good"])]


def test_where_there_can_be_no_topic_messages_are_delivered_once_more_later() -> None:
    node = DeadNode(attempts_max=1, refuses=True)
    node.publish(b"poison")
    node.consume("c")
    node.fail("no")
    assert node.hands == []
    node.wait(61.0)
    assert len(node.hands) == 1
    node.refuses = False
    node.fail("no")
    assert len(node.letters()) == 1


def test_while_the_store_has_trouble_nothing_is_buried() -> None:
    node = DeadNode(attempts_max=1)
    node.publish(b"poison")
    node.consume("c")
    node.broker.store_health(node.now, "disk full")
    node.fail("no")
    assert node.broker.counters.dead == 0
    node.broker.store_health(node.now, "")
    node.wait(61.0)
    node.fail("no")
    assert node.broker.counters.dead == 1


def test_own_headers_stay_as_far_as_there_is_room() -> None:
    node = DeadNode(attempts_max=1)
    own = {f"h{at}": "x" * 100 for at in range(64)}
    node.token += 1
    node.broker.publish(node.now, node.token, "t", 1, 1, bodies.encode([[b"1", own]]), wall_ns=1)
    node.turn()
    node.consume("c")
    node.fail("e" * 200)
    ((body, headers),) = node.letters()
    assert body == b"1"
    assert len(headers) == bodies.HEADERS_MAX
    assert headers["h0"] == own["h0"]
    assert int(headers["meshq-dead-headers-dropped"]) == 64 - sum(name in own for name in headers)
    bodies.item(body, headers, size_bytes_max=1 << 20)


def test_dead_letters_live_as_long_as_their_topic_says() -> None:
    node = DeadNode(attempts_max=1)
    node.broker.topic_born(node.now, "t.dead", 1)
    node.broker.configured(node.now, "t.dead", "", {"ttl_s": 5.0})
    node.publish(b"poison")
    node.consume("c")
    node.fail("no")
    assert node.broker.messages_left() == 1
    node.wait(6.0)
    assert node.broker.messages_left() == 0


def test_attempts_and_errors_are_those_of_before_the_restart() -> None:
    before = DeadNode(attempts_max=2)
    before.publish(b"poison")
    before.consume("c")
    before.fail("first")
    node = before.restarted()
    node.consume("c")
    assert node.hands[0].attempts == [[1, 2, 1]]
    node.fail("last")
    ((body, headers),) = node.letters()
    assert (body, headers["meshq-dead-first-error"], headers["meshq-dead-last-error"]) == (b"poison", "first", "last")


def test_names_of_topics_of_dead_letters() -> None:
    assert dead_topic("orders") == "orders.dead"
    assert dead_topic("orders#ephemeral") == "orders.dead#ephemeral"
    assert dead_topic("orders.dead") == "orders.dead"
    for name in ("x" * 64, "x" * 54 + "#ephemeral"):
        assert len(dead_topic(name)) <= 64
        assert dead_topic(name).startswith("x" * 40 + "-")
    assert dead_topic("x" * 63 + "a") != dead_topic("x" * 63 + "b")
