"""What batches cost in memory is counted wherever it is bounded, also that of very small ones."""

from __future__ import annotations

import pytest

from meshq.broker.effects import Hand
from meshq.broker.loading import CHUNK_BYTES
from meshq.errors import Overloaded
from meshq.machine.effects import Load, LoadDue, Store
from meshq.machine.store import BATCH_OVERHEAD_BYTES, BatchRow, Born
from meshq.names import Epoch, LogId
from meshq.sim.shelf import Shelf
from meshq.wire import bodies
from tests.broker.test_origin import WALL_NS, Node

LOG = LogId("a", 1, 2, 1, 0)
BODY = bodies.encode([b"x"])


def found(shelf: Shelf) -> Node:
    """A node that starts with what a store has, and somebody who consumes it."""
    node = Node(store=False)
    node.broker.raise_epoch(Epoch(2, 2))
    node.broker.recover(node.now, WALL_NS, shelf.recovered().logs)
    node.broker.channel_born(node.now, "t", "c", 1, 60.0, False)
    node.broker.recovered(node.now)
    node.broker.consumers.joined(node.now, 1, "t", "c", 1, 100, 1 << 20, 60.0)
    return node


def deliver(node: Node, shelf: Shelf) -> tuple[int, int]:
    """Everything there is, finished at once: how many messages came, and the most batches that one load brought."""
    came = most = 0
    node.broker.tick(node.now)
    while effects := node.broker.effects():
        for effect in effects:
            match effect:
                case Hand():
                    came += effect.stop - effect.start
                    node.broker.consumers.finish(node.now, effect.consumer, [effect[1:4]])
                case Load() | LoadDue():
                    rows = shelf.load(effect) if isinstance(effect, Load) else shelf.load_due(effect)
                    most = max(most, len(rows))
                    node.broker.loaded(node.now, effect.token, rows)
                case Store():
                    node.broker.stored(node.now, effect.token)
        node.broker.tick(node.now)
    return came, most


@pytest.mark.parametrize("due_ns", [0, WALL_NS - 10_000_000_000])
def test_a_load_of_very_small_batches_brings_as_many_as_it_has_memory_for(due_ns: int) -> None:
    shelf, fits = Shelf(), CHUNK_BYTES // (len(BODY) + BATCH_OVERHEAD_BYTES)
    shelf.apply([Born("t", LOG, "c", 1, 1)])
    for number in range(1, fits + 1_000):
        due = due_ns + number if due_ns else 0
        shelf.apply([BatchRow("t", LOG, number, 1, BODY, WALL_NS - 60_000_000_000, due, 0)])
    came, most = deliver(found(shelf), shelf)
    assert came == fits + 999
    assert most <= fits + 1


def test_very_small_batches_that_wait_for_the_store_are_refused_for_what_they_cost() -> None:
    node = Node(store_queue_bytes_max=100 * BATCH_OVERHEAD_BYTES)
    for _ in range(100):
        node.publish(b"x")
    with pytest.raises(Overloaded, match="store_queue_bytes_max"):
        node.publish(b"x")
    for store in node.stores:
        node.broker.stored(node.now, store.token)
    node.publish(b"x")
