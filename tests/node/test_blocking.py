"""The blocking twin, in real threads against real nodes."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

import meshq
from meshq import blocking
from meshq.errors import Closed, InvalidMessage, Unreachable
from tests.node.meshes import QUICK


@pytest.fixture
def node() -> Iterator[blocking.Node]:
    with blocking.Node(name="a", bind="127.0.0.1", port=0, config=QUICK, drain_timeout_s=0) as node:
        yield node


def test_the_verbs_work_without_await(node: blocking.Node) -> None:
    handled = []
    with meshq.blocking.connect(node.address) as mesh:
        with mesh.subscribe("orders", "billing", max_in_flight=256) as messages:
            assert messages.barrier == (1, 1)
            assert messages.max_in_flight == 256
            receipt = mesh.publish("orders", b"...", headers={"a": "b"})
            assert mesh.publish_many("orders", [b"1", b"2"]).count == 2
            for message in messages:
                with message:
                    handled.append((message.body, dict(message.headers), message.attempts))
                if len(handled) == 3:
                    break
            assert message.id > receipt.id
        assert handled == [(b"...", {"a": "b"}, 1), (b"1", {}, 1), (b"2", {}, 1)]
        assert mesh.node_name == "a"
        assert [member["name"] for member in mesh.members()] == ["a"]
        assert [topic["topic"] for topic in mesh.topics()] == ["orders"]
        mesh.create("other", "c")
        assert mesh.ask("ping") == {"health": "OK", "draining": False}
        (channel,) = mesh.stats()["topics"][0]["channels"]
        assert (channel["finished"], channel["redelivered"]) == (3, 0)
        mesh.delete("other")
        mesh.create("orders", "audit", messages_max=10)
        assert mesh.configure("orders", "audit", attempts_max=5) == {"attempts_max": 5, "messages_max": 10}
        mesh.pause("orders")
        mesh.resume("orders")
        mesh.publish("orders", b"4")
        assert mesh.empty("orders") == ["audit", "billing"]
        assert mesh.empty("orders", "audit") == []


def test_leases_are_settled_whole_or_singly(node: blocking.Node) -> None:
    with node.subscribe("t", "c", backoff=meshq.Backoff(0.01)) as messages:
        node.publish_many("t", [b"0", b"1", b"2"])
        leases = messages.leases()
        with next(leases) as lease:
            assert lease.bodies == [b"0", b"1", b"2"]
            lease[1].requeue(0)
        again = next(leases)
        assert [(message.body, message.attempts) for message in again] == [(b"1", 2)]
        again.touch()
        again.finish()
        node.publish("t", b"3")
        third = next(leases)
        third.give_back()
        fourth = next(leases)
        assert (fourth.bodies, fourth[0].attempts) == ([b"3"], 1)
        fourth.requeue(0)
        assert next(leases)[0].attempts == 2


def test_another_loop_goes_on_where_one_was_left(node: blocking.Node) -> None:
    with node.subscribe("t", "c") as messages:
        node.publish_many("t", [b"%d" % number for number in range(4)])
        seen: list[bytes] = []
        for _ in range(4):
            for message in messages:
                with message:
                    seen.append(message.body)
                break
    assert seen == [b"0", b"1", b"2", b"3"]


def test_a_failing_handler_requeues_and_the_exception_goes_on(node: blocking.Node) -> None:
    with node.subscribe("t", "c", backoff=meshq.Backoff(0.01)) as messages:
        node.publish("t", b"x")
        with pytest.raises(ValueError, match="boom"), next(iter(messages)):
            raise ValueError("boom")
        message = next(iter(messages))
        assert message.attempts == 2
        message.touch()
        message.finish()
        node.publish_many("t", [b"y"])
        given_back = next(iter(messages))
        given_back.give_back()
        assert next(iter(messages)).attempts == 1


def test_errors_cross_the_threads_and_spoil_nothing(node: blocking.Node) -> None:
    with pytest.raises(InvalidMessage):
        node.publish("t", b"")
    node.publish("t", b"x")
    with pytest.raises(Unreachable), blocking.connect("127.0.0.1:1"):
        pass
    mesh = blocking.connect(node.address)
    with pytest.raises(Closed):
        mesh.publish("t", b"x")
    mesh.close()


def test_closing_ends_iterators_in_other_threads(node: blocking.Node) -> None:
    mesh = blocking.connect(node.address).open()
    messages = mesh.subscribe("t", "c").__enter__()
    events = mesh.events()
    seen: list[list[object]] = []
    readers = [
        threading.Thread(target=lambda: seen.append(list(messages))),
        threading.Thread(target=lambda: seen.append([event for event in events if False])),
    ]
    for reader in readers:
        reader.start()
    mesh.close()
    for reader in readers:
        reader.join(5)
        assert not reader.is_alive()
    assert seen == [[], []]


def test_events_are_an_iterator(node: blocking.Node) -> None:
    events = node.events()
    node.create("fresh")
    event = next(event for event in events if isinstance(event, meshq.events.TopicCreated))
    assert event.topic == "fresh"


def test_several_threads_share_a_subscription(node: blocking.Node) -> None:
    taken: list[bytes] = []
    with node.subscribe("t", "c", max_in_flight=8) as messages:

        def work() -> None:
            for message in messages:
                with message:
                    taken.append(message.body)

        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        node.publish_many("t", [b"%d" % number for number in range(500)])
        deadline = time.monotonic() + 10
        while len(taken) < 500 and time.monotonic() < deadline:
            time.sleep(0.005)
    for worker in workers:
        worker.join(5)
    assert sorted(taken, key=int) == [b"%d" % number for number in range(500)]


def test_ctrl_c_interrupts_a_wait_and_leaves_in_order(node: blocking.Node) -> None:
    with blocking.connect(node.address) as mesh:
        timer = threading.Timer(0.2, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))
        with mesh.subscribe("t", "c") as messages:
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                next(iter(messages))
            mesh.publish("t", b"x")
            assert next(iter(messages)).body == b"x"


def test_two_nodes_without_a_loop() -> None:
    with (
        blocking.Node(name="a", bind="127.0.0.1", port=0, config=QUICK) as a,
        blocking.Node([a.address], name="b", bind="127.0.0.1", port=0, config=QUICK) as b,
        b.subscribe("t", "c") as messages,
    ):
        assert messages.barrier == (2, 2)
        a.publish("t", b"x")
        with next(iter(messages)) as message:
            assert (message.body, message.node) == (b"x", "a")
        messages.set_max_in_flight(3)
        assert (a.name, b.name) == ("a", "b")
