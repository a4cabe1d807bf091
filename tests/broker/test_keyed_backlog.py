"""A backlog with ordering keys: how far a channel looks ahead, what leaves memory, and what a restart loads of it."""

from __future__ import annotations

from meshq.broker.batch import Traits
from meshq.broker.cursor import Cursor
from meshq.broker.effects import Hand
from meshq.broker.why import Why
from meshq.machine.effects import Load, Store
from meshq.names import DISK, Epoch
from meshq.sim.shelf import Shelf
from meshq.wire import bodies
from tests.broker.test_origin import WALL_NS, Node

BUDGET_BYTES = 100_000
AHEAD_BYTES = 10_000
"""Ten of the batches here."""


class Backlog(Node):
    """A node whose store keeps and answers; ``c`` is its channel."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        super().__init__(store=False, memory_bytes_max=BUDGET_BYTES, keyed_bytes_max=AHEAD_BYTES, window_bytes_max=0)
        self.shelf = shelf or Shelf()
        self.loads = 0
        self.most_bytes = 0
        self.broker.raise_epoch(Epoch(1 + len(self.shelf.logs), 2))
        self.broker.recover(self.now, WALL_NS, self.shelf.recovered().logs)
        self.channel("c", 60.0, local=False)
        self.broker.recovered(self.now)

    def turn(self) -> None:
        while effects := self.broker.effects():
            for effect in effects:
                match effect:
                    case Store():
                        self.shelf.apply(effect.rows)
                        self.broker.stored(self.now, effect.token)
                    case Load():
                        self.loads += 1
                        self.broker.loaded(self.now, effect.token, self.shelf.load(effect))
                    case Hand():
                        self.hands.append(effect)
            self.broker.check()
            self.most_bytes = max(self.most_bytes, self.broker.memory_bytes)

    def say(self, number: int, key: str) -> None:
        """Publish one message of about a thousand bytes."""
        self.token += 1
        body = bodies.encode([b"%s.%d" % (key.encode(), number) + b"." * 400])
        self.broker.publish(
            self.now, self.token, "t", 1, 1, body, traits=Traits(level=DISK, key=key), wall_ns=WALL_NS
        )  # fmt: skip
        self.turn()

    def take_all(self) -> list[str]:
        """Finish what is in hand, until nothing comes any more."""
        came: list[str] = []
        while self.hands:
            hands, self.hands = self.hands, []
            for hand in hands:
                came += [one.rstrip(b".").decode() for one in bodies.decode(hand.body) if isinstance(one, bytes)]
                self.broker.consumers.finish(self.now, hand.consumer, [hand[1:4]])
                self.turn()
        return came

    @property
    def cursor(self) -> Cursor:
        (channel,) = self.broker._registry.channels.values()
        return next(cursor for cursor in channel.cursors.values() if cursor.unfinished())


def names(messages: int, keys: int) -> list[str]:
    return [f"k{number % keys}.{number}" for number in range(messages)]


def in_order(came: list[str], messages: int, keys: int) -> bool:
    """Everything came once, each key in order."""
    if sorted(came) != sorted(names(messages, keys)):
        return False
    numbers = [tuple(map(int, one[1:].split("."))) for one in came]
    return all([n for k, n in numbers if k == key] == list(range(key, messages, keys)) for key in range(keys))


def published(messages: int, keys: int) -> Backlog:
    node = Backlog()
    for number in range(messages):
        node.say(number, f"k{number % keys}")
    return node


def test_messages_with_keys_leave_memory_like_others_and_come_in_order() -> None:
    node = published(600, 7)
    assert node.most_bytes < BUDGET_BYTES + 2_000
    node.consume("c", messages=5)
    assert in_order(node.take_all(), 600, 7)
    assert node.broker.memory_bytes == 0


def test_a_restart_loads_of_a_backlog_with_keys_what_it_is_about_to_hand_out() -> None:
    node = Backlog(published(2_000, 5).shelf)
    node.consume("c", messages=5)
    assert node.loads == 1
    assert node.broker.memory_bytes < 300_000, "one load and no more"
    assert in_order(node.take_all(), 2_000, 5)


def test_what_an_earlier_start_kept_is_first_however_much_waits_behind_it() -> None:
    before = published(300, 3)
    node = Backlog(before.shelf)
    for number in range(300, 600):
        node.say(number, f"k{number % 3}")
    assert node.most_bytes < BUDGET_BYTES + 2_000
    node.consume("c", messages=2)
    assert in_order(node.take_all(), 600, 3)


def test_a_key_that_is_held_back_holds_others_beyond_what_the_channel_looks_at_and_none_within() -> None:
    node = Backlog()
    node.consume("c")
    for number in range(30):
        node.say(number, "stuck")
    for number in range(30, 40):
        node.say(number, "free")
    stuck = node.hands.pop(0)
    assert node.hands == [], "the channel has looked at as much as it may"
    assert node.cursor.held
    node.broker.consumers.finish(node.now, stuck.consumer, [stuck[1:4]])
    node.turn()
    node.broker.consumers.requeue(node.now, 1, *node.hands.pop(0)[1:4], 5.0, "requeue")
    node.turn()
    found = node.broker.explain(node.now, "t")["channels"]["c"]["reasons"]
    assert [one["messages"] for one in found if one["why"] == Why.HELD_BACK.name] == [38]
    node.wait(6.0)
    stuck = node.hands.pop(0)
    for _ in range(20):
        node.broker.consumers.finish(node.now, stuck.consumer, [stuck[1:4]])
        node.turn()
        stuck = node.hands.pop(0)
    assert [bodies.decode(hand.body)[0][:4] for hand in node.hands] == [b"free"]


def test_what_is_beyond_can_be_emptied_and_expire() -> None:
    node = Backlog()
    node.consume("c")
    for number in range(300):
        node.say(number, "k")
    assert node.cursor.held
    node.cursor.finish(2, 301)
    node.turn()
    assert len(node.take_all()) == 1
    assert node.broker.memory_bytes == 0
    node.say(300, "k")
    assert len(node.take_all()) == 1


def test_what_is_finished_makes_room_though_the_first_key_is_stuck() -> None:
    node = Backlog()
    node.consume("c")
    node.say(0, "stuck")
    for number in range(1, 200):
        node.say(number, f"k{number % 9}")
    stuck = node.hands.pop(0)
    assert len(node.take_all()) == 199
    node.hands.append(stuck)
    assert node.take_all() == ["stuck.0"]
