"""A draining node's logs go to others: nothing is lost, nothing that was finished comes again, whoever dies when.

After: what a giver and a taker do with each other's frames, with stores that are committed row by row.
"""

from __future__ import annotations

import pytest

from meshq.broker.batch import Traits
from meshq.broker.marks import TAKING
from meshq.config import BrokerConfig
from meshq.machine import events
from meshq.names import ChannelKey, LogId
from meshq.wire import bodies
from meshq.wire.frames import Cede, Declined, Frame, Offer, Part, Place, Req, Taken
from tests.broker.handover import Mesh, Node, log_of


def bodies_of(node: Node, channel: str) -> list[bytes]:
    """What consumers of the channel there were handed, in order."""
    return [body for name, _, body in node.handed if name == channel]


def messages(start: int, stop: int) -> list[bytes]:
    return [b"%d" % number for number in range(start, stop)]


@pytest.mark.parametrize("stores", ["ss", "mm", "ms", "ff"])
def test_a_backlog_goes_to_the_peer_and_is_delivered_there(stores: str) -> None:
    mesh = Mesh(stores, "c")
    a, b = mesh["a"], mesh["b"]
    for start in range(1, 1001, 50):
        a.publish(*messages(start, start + 50))
    mesh.drain("a")
    assert a.left() == 0
    assert b.left() == 1000
    a.kill()
    b.consume("c")
    mesh.run()
    while b.held:
        b.finish()
        mesh.run()
    assert bodies_of(b, "c") == messages(1, 1001)
    assert b.left() == 0


def test_ids_do_not_change_and_the_giver_says_who_has_it() -> None:
    mesh = Mesh("ss", "c")
    a, b = mesh["a"], mesh["b"]
    a.publish(b"one", b"two")
    mesh.drain("a")
    b.consume("c")
    mesh.run()
    assert [(hand.log, hand.start, hand.stop) for hand in b.held] == [(log_of(a), 1, 3)]
    (told,) = [event for event in a.events if isinstance(event, events.HandedOver)]
    assert (told.topic, told.origin, told.to, told.messages) == ("t", "a", "b", 2)
    (heard,) = [event for event in b.events if isinstance(event, events.TakenOver)]
    assert (heard.topic, heard.origin, heard.giver, heard.messages) == ("t", "a", "a", 2)


@pytest.mark.parametrize("stores", ["ss", "mm"])
def test_a_channel_that_had_finished_gets_nothing_again(stores: str) -> None:
    mesh = Mesh(stores, "c", "d")
    a, b = mesh["a"], mesh["b"]
    a.publish(*messages(0, 10))
    a.consume("c")
    mesh.run()
    a.finish()
    assert bodies_of(a, "c") == messages(0, 10)
    mesh.drain("a")
    assert a.left() == 0
    a.kill()
    b.consume("c")
    b.consume("d")
    mesh.run()
    assert bodies_of(b, "c") == []
    assert bodies_of(b, "d") == messages(0, 10)


def test_a_taker_that_is_killed_after_its_last_word_has_everything_at_its_next_start() -> None:
    mesh = Mesh("ss", "c", "d")
    a, b = mesh["a"], mesh["b"]
    a.publish(*messages(0, 10))
    a.consume("c")
    mesh.run()
    a.finish(1, 2, 3, 7)
    mesh.drain("a", 5.0)
    assert a.left() == 0
    a.kill()
    b.kill()
    b.start()
    b.consume("c")
    b.consume("d")
    mesh.run()
    assert bodies_of(b, "c") == [b"3", b"4", b"5", b"7", b"8", b"9"]
    assert bodies_of(b, "d") == messages(0, 10)


def test_the_store_of_the_giver_forgets_the_log_in_one_piece_and_not_before_the_last_word() -> None:
    mesh = Mesh("ss", "c")
    a, b = mesh["a"], mesh["b"]
    a.publish(*messages(0, 10))
    b.silent = True
    mesh.drain("a", 2.0)
    assert a.shelf is not None
    assert ("t", log_of(a)) in a.shelf.logs
    assert a.left() == 10
    b.answer()
    mesh.run()
    b.answer()
    mesh.drain("a", 2.0)
    assert ("t", log_of(a)) not in a.shelf.logs
    assert a.left() == 0


@pytest.mark.parametrize("last", [Part, Place, Cede])
def test_a_taker_that_dies_before_its_last_word_leaves_everything_with_the_giver(last: type[Frame]) -> None:
    mesh = Mesh("ss", "c")
    a, b = mesh["a"], mesh["b"]
    a.publish(*messages(0, 10))

    def watch(name: str, peer: str, frame: Frame) -> bool:
        if type(frame) is last:
            b.kill()
            return False
        return True

    mesh.watch = watch
    mesh.drain("a", 2.0)
    assert a.left() == 10
    mesh.watch = None
    b.start()
    assert b.left() == 0, "a half of a log is nobody's"
    assert b.shelf is not None
    assert b.shelf.logs == {}
    mesh.connect("a", "b")
    mesh.drain("a", 3.0)
    assert (a.left(), b.left()) == (0, 10)


def test_a_taker_whose_disk_refused_a_part_never_takes_the_log_for_its_own() -> None:
    mesh = Mesh("ss", "c")
    a, b = mesh["a"], mesh["b"]
    a.publish(*messages(0, 5))
    a.publish(*messages(5, 10))
    seen: list[Frame] = []

    def watch(name: str, peer: str, frame: Frame) -> bool:
        seen.append(frame)
        b.full = type(frame) is Part and frame.first > 1
        return True

    mesh.watch = watch
    b.silent = True
    mesh.drain("a", 2.0)
    assert [type(frame) for frame in seen if type(frame) in (Part, Cede)] == [Part, Part, Cede]
    mesh.watch = None
    b.kill()  # before it heard that the second part was refused
    b.full = b.silent = False
    b.start()
    assert (a.left(), b.left()) == (10, 0)
    mesh.connect("a", "b")
    mesh.drain("a", 3.0)
    assert (a.left(), b.left()) == (0, 10)
    b.consume("c")
    assert bodies_of(b, "c") == messages(0, 10)


def test_a_taker_whose_disk_refused_a_part_says_no() -> None:
    mesh = Mesh("ss", "c")
    a, b = mesh["a"], mesh["b"]
    a.publish(*messages(0, 10))
    b.full = True
    mesh.drain("a", 1.0)
    assert (a.left(), b.left()) == (10, 0)
    assert b.shelf is not None
    assert b.shelf.logs == {}


def test_a_giver_that_is_killed_before_it_forgets_delivers_nothing_again_that_was_finished() -> None:
    mesh = Mesh("ss", "c", "d")
    a, b = mesh["a"], mesh["b"]
    a.publish(*messages(0, 10))
    a.consume("c")
    mesh.run()
    a.finish()
    mesh.pass_(0.2)

    def watch(name: str, peer: str, frame: Frame) -> bool:
        if type(frame) is Taken and b.left():
            a.kill()
            return False
        return True

    mesh.watch = watch
    mesh.drain("a", 3.0)
    mesh.watch = None
    assert b.left() == 10
    a.start()
    assert a.left() == 10, "both have it now"
    mesh.connect("a", "b")
    b.consume("c")
    b.consume("d")
    mesh.run()
    assert bodies_of(b, "c") == []
    assert sorted(bodies_of(b, "d")) == sorted(2 * messages(0, 10)) or bodies_of(b, "d") == messages(0, 10)
    b.finish()
    mesh.run()
    assert (a.left(), b.left()) == (0, 0), "what is finished is told to both"
    assert a.broken + b.broken == []


def test_a_giver_with_a_log_that_its_taker_has_already_only_tells_the_places() -> None:
    mesh = Mesh("ss", "c", "d")
    a, b = mesh["a"], mesh["b"]
    a.publish(*messages(0, 10))

    def watch(name: str, peer: str, frame: Frame) -> bool:
        if type(frame) is Taken and b.left():
            mesh.cut("a", "b")
            return False
        return True

    mesh.watch = watch
    mesh.drain("a", 1.0)
    assert (a.left(), b.left()) == (10, 10)
    seen: list[Frame] = []

    def listen(name: str, peer: str, frame: Frame) -> bool:
        seen.append(frame)
        return True

    mesh.watch = listen
    a.consume("c")
    a.finish(2, 3)
    mesh.connect("a", "b")
    mesh.pass_(1.5)
    mesh.drain("a", 4.0)
    assert not [frame for frame in seen if type(frame) is Part]
    assert (a.left(), b.left()) == (0, 10)
    a.kill()
    b.consume("c")
    mesh.run()
    assert bodies_of(b, "c") == [b"0", *messages(3, 10)]


def test_what_is_in_flight_may_be_finished_before_and_after_the_log_has_moved() -> None:
    mesh = Mesh("sss", "c")
    a, b, c = mesh["a"], mesh["b"], mesh["c"]
    a.publish(*messages(0, 10))
    c.consume("c", 6)
    mesh.run()
    assert len(bodies_of(c, "c")) == 6
    c.finish(1, 2)
    mesh.run()
    mesh.drain("a", 6.0, "b")
    assert a.left() == 0
    c.finish(5)  # it was handed over as unfinished, and its lender passes it on
    mesh.run()
    assert b.unfinished("c") == 7
    a.kill()
    while c.held:
        c.finish()
        mesh.run()
    mesh.pass_(1.0)
    assert b.left() == 0
    assert set(bodies_of(c, "c")) == set(messages(0, 10))
    assert a.broken + b.broken + c.broken == []


def test_consumers_that_are_quick_finish_what_is_there_and_nothing_moves() -> None:
    mesh = Mesh("ss", "c")
    a, b = mesh["a"], mesh["b"]
    b.consume("c")
    mesh.run()
    a.publish(*messages(0, 10))
    mesh.run()
    a.broker.hand_over(mesh.now, ("b",), mesh.now + 5.0)
    a.turn()
    mesh.run()
    b.finish()
    mesh.run()
    mesh.drain("a")
    assert (a.left(), b.left()) == (0, 0)
    assert a.broker.counters.handed_over == 0


def test_a_node_with_a_store_gives_to_nobody_without_one() -> None:
    mesh = Mesh("sms", "c")
    a = mesh["a"]
    a.publish(*messages(0, 10))
    mesh.drain("a", 2.0, "b")
    assert (a.left(), mesh["b"].left()) == (10, 0)
    mesh.drain("a", 2.0)
    assert (a.left(), mesh["b"].left(), mesh["c"].left()) == (0, 0, 10)


def test_a_node_in_memory_prefers_somebody_with_a_store() -> None:
    mesh = Mesh("mms", "c")
    mesh["a"].publish(*messages(0, 10))
    mesh.drain("a")
    assert (mesh["a"].left(), mesh["b"].left(), mesh["c"].left()) == (0, 0, 10)


def test_a_peer_that_drains_or_is_full_takes_nothing() -> None:
    mesh = Mesh("sss", "c", config=BrokerConfig(topic_messages_max=20))
    a, b, c = mesh["a"], mesh["b"], mesh["c"]
    a.publish(*messages(0, 10))
    b.broker.hand_over(mesh.now, (), mesh.now + 60.0)
    c.publish(*messages(0, 15))
    mesh.drain("a")
    assert (a.left(), b.left(), c.left()) == (10, 0, 15)


def test_a_peer_that_has_not_heard_of_a_channel_does_not_lose_its_messages() -> None:
    mesh = Mesh("ss", "c")
    a, b = mesh["a"], mesh["b"]
    a.broker.channel_born(mesh.now, "t", "d", 1, 0.0, True)
    a.publish(*messages(0, 10))
    mesh.drain("a", 2.0)
    assert (a.left(), b.left()) == (10, 0)
    b.broker.channel_born(mesh.now, "t", "d", 1, 0.0, False)
    mesh.drain("a", 4.0)
    assert (a.left(), b.left()) == (0, 10)


def test_a_topic_without_channels_keeps_its_messages_at_the_taker_too() -> None:
    mesh = Mesh("ss")
    a, b = mesh["a"], mesh["b"]
    a.publish(*messages(0, 10))
    mesh.drain("a")
    assert (a.left(), b.left()) == (0, 10)
    a.kill()
    mesh.channels = ("c",)
    b.broker.channel_born(mesh.now, "t", "c", 1, 0.0, True)
    b.consume("c")
    mesh.run()
    assert bodies_of(b, "c") == messages(0, 10)


@pytest.mark.parametrize("stores", ["ss", "mm"])
def test_what_is_deferred_keyed_or_for_some_channels_stays_so(stores: str) -> None:
    mesh = Mesh(stores, "c", "d")
    a, b = mesh["a"], mesh["b"]
    a.publish(b"later", traits=Traits(due=mesh.now + 100.0))
    a.publish(b"k1", b"k2", traits=Traits(key="k"))
    a.publish(b"only d", traits=Traits(channels=("d",)))
    a.publish(b"short-lived", traits=Traits(expires=mesh.now + 8.0))
    mesh.drain("a")
    assert a.left() == 0
    a.kill()
    b.consume("c")
    mesh.run()
    assert bodies_of(b, "c") == [b"short-lived", b"k1"] or bodies_of(b, "c") == [b"k1", b"short-lived"]
    b.finish()
    assert bodies_of(b, "c")[2:] == [b"k2"]
    b.finish()
    mesh.pass_(10.0)
    b.consume("d")
    mesh.run()
    assert sorted(bodies_of(b, "d")) == [b"k1", b"only d"]
    mesh.pass_(100.0)
    assert bodies_of(b, "c")[3:] == [b"later"]


def test_a_time_to_live_longer_than_any_delay_stays_so() -> None:
    mesh = Mesh("ss", "c", config=BrokerConfig(delay_max_s=60.0))
    a, b = mesh["a"], mesh["b"]
    a.publish(b"one", traits=Traits(expires=mesh.now + 3_600.0))
    mesh.drain("a")
    assert (a.left(), b.left()) == (0, 1)
    mesh.pass_(90.0)
    b.consume("c")
    mesh.run()
    assert bodies_of(b, "c") == [b"one"]


@pytest.mark.parametrize("stores", ["ss", "mm"])
def test_attempts_errors_and_delays_go_along(stores: str) -> None:
    mesh = Mesh(stores, "c")
    a, b = mesh["a"], mesh["b"]
    a.publish(*messages(0, 4))
    a.consume("c")
    hand = a.held[0]
    a.broker.consumers.requeue(mesh.now, 1, hand.log, 1, 2, 60.0, "requeue", "no")
    a.broker.consumers.requeue(mesh.now, 1, hand.log, 2, 3, 0.0, "requeue", "no")
    a.broker.consumers.left(mesh.now, 1)
    a.consumers.clear()
    a.held.clear()
    mesh.tell()
    mesh.drain("a")
    assert a.left() == 0
    a.kill()
    b.consume("c")
    mesh.run()
    assert sorted(number for _, number, _ in b.handed) == [2, 3, 4]
    assert [run for hand in b.held for run in hand.attempts] == [[2, 3, 1], [3, 5, 1]]
    failures = b.broker._registry.topics["t"].channels["c"].cursors[log_of(a)].failures
    assert failures.of(2) == ("no", "no")
    b.finish()
    mesh.pass_(61.0)
    assert [number for _, number, _ in b.handed][3:] == [1]
    assert [run for hand in b.held for run in hand.attempts] == [[1, 2, 1]]


def test_what_lies_in_the_store_only_is_handed_over_without_coming_into_memory() -> None:
    config = BrokerConfig(memory_bytes_max=1 << 20, window_s=0.1, handover_bytes=64 * 1024)
    mesh = Mesh("ss", "c", config=config)
    a, b = mesh["a"], mesh["b"]
    for start in range(0, 3000, 10):
        a.publish(*(b"%d" % number + b"." * 990 for number in range(start, start + 10)))
    mesh.pass_(2.0)
    assert a.broker.memory_bytes <= 2 << 20
    mesh.drain("a", 10.0)
    assert (a.left(), b.left()) == (0, 3000)
    assert b.broker.memory_bytes == 0
    b.consume("c")
    mesh.run()
    while b.held:
        b.finish()
        mesh.run()
    assert [body.rstrip(b".") for body in bodies_of(b, "c")] == messages(0, 3000)


def test_a_row_of_which_a_part_is_in_memory_is_handed_over_once() -> None:
    mesh = Mesh("fs", config=BrokerConfig(memory_bytes_max=15_000, batch_messages_max=10))
    a, b = mesh["a"], mesh["b"]
    sent: list[tuple[int, int]] = []

    def watch(name: str, peer: str, frame: Frame) -> bool:
        if type(frame) is Part:
            sent.append((frame.first, frame.first + frame.messages))
        return True

    mesh.watch = watch
    a.publish(*[b"%04d" % number * 250 for number in range(20)])
    mesh.drain("a", 5.0)
    assert sent == [(1, 11), (11, 21)]
    assert b.broken == []
    assert (a.left(), b.left()) == (0, 20)


def test_no_more_is_on_its_way_than_the_limit_says() -> None:
    config = BrokerConfig(handover_bytes=10_000)
    mesh = Mesh("ss", "c", config=config)
    a, b = mesh["a"], mesh["b"]
    for start in range(0, 400, 10):
        a.publish(*(b"%d" % number + b"." * 200 for number in range(start, start + 10)))
    b.silent = True
    parts = 0

    def watch(name: str, peer: str, frame: Frame) -> bool:
        nonlocal parts
        parts += len(frame.body) if type(frame) is Part else 0
        return True

    mesh.watch = watch
    mesh.drain("a", 1.0)
    assert 10_000 <= parts <= 13_000


@pytest.mark.parametrize("stores", ["ss", "mm"])
def test_what_is_written_between_the_last_word_and_its_answer_stays_with_the_giver(stores: str) -> None:
    mesh = Mesh(stores, "c")
    a, b = mesh["a"], mesh["b"]
    a.publish(b"one")

    def watch(name: str, peer: str, frame: Frame) -> bool:
        if type(frame) is Cede:
            a.publish(b"letter")
        return True

    mesh.watch = watch
    mesh.drain("a")
    assert (a.left(), b.left()) == (1, 1)
    assert a.broker.counters.handed_over == 1
    mesh.watch = None
    b.consume("c")
    mesh.run()
    assert sorted(bodies_of(b, "c")) == [b"letter", b"one"]
    b.finish()
    mesh.pass_(1.0)
    assert (a.left(), b.left()) == (0, 0)


def test_a_death_that_is_heard_of_after_the_log_has_moved_buries_nothing() -> None:
    mesh = Mesh("mmm", "c")
    a, b, c = mesh["a"], mesh["b"], mesh["c"]
    a.broker.configured(mesh.now, "t", "c", {"attempts_max": 1})
    b.consume("c")
    a.publish(b"one")
    mesh.run()
    b.kill()
    mesh.drain("a", 3.0, "c")
    assert (a.left(), c.left()) == (0, 1)
    a.broker.peer_died(mesh.now, "b", b.epoch)
    a.turn()
    assert a.broker.counters.died == 0


def test_a_log_can_be_handed_on() -> None:
    mesh = Mesh("sss", "c")
    a, b, c = mesh["a"], mesh["b"], mesh["c"]
    a.publish(*messages(0, 10))
    mesh.drain("a", 3.0, "b")
    a.kill()
    b.publish(*messages(10, 20))
    mesh.drain("b", 3.0, "c")
    b.kill()
    c.consume("c")
    mesh.run()
    assert sorted(bodies_of(c, "c")) == sorted(messages(0, 20))


def test_a_topic_that_is_deleted_on_the_way_leaves_nothing_anywhere() -> None:
    mesh = Mesh("ss", "c")
    a, b = mesh["a"], mesh["b"]
    a.publish(*messages(0, 10))
    b.silent = True
    mesh.drain("a", 1.0)
    for node in (a, b):
        node.broker.topic_ended(mesh.now, "t", 1)
        node.turn()
    b.answer()
    mesh.run()
    b.answer()
    mesh.drain("a", 1.0)
    a.broker.hand_over(mesh.now, ("b",), mesh.now + 5.0)
    a.turn()
    mesh.run()
    mesh.pass_(1.0)
    assert (a.left(), b.left()) == (0, 0)
    for node in (a, b):
        assert node.shelf is not None
        assert node.shelf.logs == {}
    assert b.shelf is not None
    assert b.shelf.puts == {}


def test_a_giver_that_tells_more_places_than_there_are_messages_is_accused_and_costs_nobody_else() -> None:
    mesh = Mesh("ss", "c")
    a, b = mesh["a"], mesh["b"]
    log = log_of(a)
    for frame in (
        Offer(7, "t", log, 100, 3, 600, "disk"),
        Place(7, 1, "c", 1, 1, 0, [[1, 2], [3, 4]], []),
        Place(7, 2, "c", 1, 1, 0, [[5, 6], [7, 8]], []),
        Place(7, 3, "c", 1, 1, 0, [[9, 10]], []),
    ):
        b.broker.frame(mesh.now, "a", frame)
        b.turn()
    assert b.broken == ["the places of c in t are more than it has messages"]
    assert b.left() == 0


def test_a_channel_has_its_place_in_one_life_only() -> None:
    mesh = Mesh("ss", "c")
    a, b = mesh["a"], mesh["b"]
    b.broker.channel_born(mesh.now, "t", "c", 2, 0.0, False)
    b.broker.frame(mesh.now, "a", Offer(7, "t", log_of(a), 100, 3, 600, "disk"))
    b.broker.frame(mesh.now, "a", Place(7, 1, "c", 1, 1, 0, [], []))
    b.broker.frame(mesh.now, "a", Place(7, 2, "c", 2, 1, 0, [], []))
    b.turn()
    assert len(b.broken) == 1


@pytest.mark.parametrize("stores", ["mm", "ss"])
def test_a_body_that_cannot_be_read_costs_its_messages_and_not_the_taker(stores: str) -> None:
    mesh = Mesh(stores, "c")
    a, b = mesh["a"], mesh["b"]
    a.consume("c", messages=1)
    a.publish(b"11111111", b"22222222", b"33333333", b"44444444")
    a.finish()
    write = mesh.write

    def damaged(name: str, peer: str, frame: Frame) -> None:
        if type(frame) is Part:
            frame = frame._replace(body=frame.body[:10] + b"\x5a" + frame.body[11:])
        elif type(frame) is Place:
            frame = frame._replace(finished=[[1, 3]])
        write(name, peer, frame)

    mesh.write = damaged  # type: ignore[method-assign]
    mesh.drain("a")
    b.consume("c")
    mesh.run()
    assert b.broken == []
    assert b.handed == []
    assert b.broker.counters.broken_bodies == 2


def test_a_giver_that_sends_on_while_the_store_says_nothing_is_declined_before_memory_is_full() -> None:
    mesh = Mesh("ss", "c", config=BrokerConfig(store_queue_bytes_max=10_000))
    a, b = mesh["a"], mesh["b"]
    b.silent = True
    b.broker.frame(mesh.now, "a", Offer(7, "t", log_of(a), 100, 50, 25_000, "disk"))
    body = bodies.encode([b"x" * 500])
    for number in range(1, 51):
        b.broker.frame(mesh.now, "a", Part(7, number, number, 1, 1, 0, 0, body))
    b.turn()
    told = list(mesh.queues["b", "a"])
    assert [(frame.code, frame.text) for frame in told if isinstance(frame, Declined)] == [
        ("FULL", "store_queue_bytes_max")
    ]
    b.answer()
    mesh.run()
    b.kill()
    b.start()
    assert b.left() == 0


@pytest.mark.parametrize(
    "frames",
    [
        [Offer(7, "t", LogId("a", 1 << 63, 0, 1, 0), 100, 3, 600, "disk")],
        [Offer(7, "t", LogId("a", 1, 0, 1, 0), 1 << 63, 3, 600, "disk")],
        [
            Offer(7, "t", LogId("a", 1, 0, 1, 0), 100, 3, 600, "disk"),
            Part(7, 1, 1, 1, 1 << 63, 0, 0, bodies.encode([b"1"])),
        ],
        [
            Offer(7, "t", LogId("a", 1, 0, 1, 0), 100, 3, 600, "disk"),
            Place(7, 1, "c", 1, 1, 1 << 63, [], []),
        ],
        [
            Offer(7, "t", LogId("a", 1, 0, 1, 0), 100, 3, 600, "disk"),
            Place(7, 1, "c", 1, 1, 0, [[1, 1 << 63]], []),
        ],
    ],
)
def test_numbers_that_no_store_has_room_for_are_not_taken(frames: list[Frame]) -> None:
    mesh = Mesh("ms", "c")
    b = mesh["b"]
    for frame in frames:
        b.broker.frame(mesh.now, "a", frame)
        b.turn()
    assert len(b.broken) == 1
    assert b.left() == 0
    assert b.shelf is not None
    assert b.shelf.logs == {}


def test_a_topic_takes_no_more_messages_than_it_may_have_from_all_together() -> None:
    mesh = Mesh("mm", "c", config=BrokerConfig(topic_messages_max=5))
    b = mesh["b"]
    offers = [Offer(number, "t", LogId("a", number, 0, 1, 0), 4, 3, 600, "memory") for number in (1, 2)]
    for offer in offers:
        b.broker.frame(mesh.now, "a", offer)
    answers = [frame for frame in b.broker.pull(mesh.now, "a", 1 << 20) if isinstance(frame, (Taken, Declined))]
    assert answers == [Taken(1, 0), Declined(2, "FULL", "topic_messages_max")]


def test_a_delay_that_a_peer_asks_for_is_bounded() -> None:
    mesh = Mesh("fm", "c", config=BrokerConfig(requeue_delay_max_s=20.0))
    a, b = mesh["a"], mesh["b"]
    b.consume("c")
    a.publish(b"one")
    mesh.run()
    (hand,) = b.held
    mesh.write("b", "a", Req(ChannelKey("t", "c", 1), hand.log, 1, 2, 10**16, "requeue", {}))
    mesh.run()
    mesh.pass_(21.0)
    assert bodies_of(b, "c") == [b"one", b"one"]


def test_a_damaged_note_of_a_log_on_its_way_does_not_keep_a_node_from_starting() -> None:
    mesh = Mesh("ss", "c")
    a, b = mesh["a"], mesh["b"]
    b.broker.frame(mesh.now, "a", Offer(7, "t", log_of(a), 100, 50, 25_000, "disk"))
    b.broker.frame(mesh.now, "a", Part(7, 1, 1, 1, 1, 0, 0, bodies.encode([b"x"])))
    b.turn()
    assert b.shelf is not None
    (note,) = [put for put in b.shelf.recovered().puts if put.kind == TAKING]
    b.kill()
    b.shelf.apply([note._replace(value=b"\x83\x01")])
    b.start()
    assert b.left() == 1
    assert [put for put in b.shelf.recovered().puts if put.kind == TAKING] == []
