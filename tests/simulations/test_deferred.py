"""Deferred messages by the million: each comes within 100 ms after its due time, and memory stays within bounds.

``MESHQ_DEFERRED=1000000 pytest -s tests/simulations/test_deferred.py`` plays a million, due at random times within an
hour; without it a few thousand are, within two minutes.
"""

from __future__ import annotations

import os
import time
from array import array
from random import Random
from typing import Any

from meshq.broker.loading import AWAKE_S
from meshq.config import BrokerConfig, Config
from meshq.engine.engine import Engine
from meshq.sim.clients import Client
from meshq.sim.fleet import Fleet
from meshq.sim.ledger import Ledger
from meshq.sim.start import Machine, Start
from meshq.wire import bodies
from meshq.wire.frames import Confirmed, Deliver, Refused, Subscribed

MESSAGES = int(os.environ.get("MESHQ_DEFERRED", "4000"))
WITHIN_S = 3_600.0 if MESSAGES >= 100_000 else 150.0
PUBLISHING_S = WITHIN_S / 30
BUDGET_BYTES = 16 << 20
LATE_S = 0.1
EVERY_S = 0.01


class Deferring(Client):
    """Publishes one message at a time, each with a delay of its own, and consumes them."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet, Ledger(), "deferring", "n1")
        self._handlers = {
            Confirmed: self._confirmed, Deliver: self._deliver, Refused: self._refused, Subscribed: self._subscribed,
        }  # fmt: skip
        self.due_at = array("d")
        self.came = array("b", bytes(MESSAGES))
        self.confirmed = self.early = self.late = self.again = 0
        self.latest_s = 0.0
        self._chance = Random(1)

    def came_up(self) -> None:
        self._session.subscribe(1, "orders", "billing", 2_000, 1 << 24, barrier_ms=1_000, timeout_ms=60_000)
        self._flush()

    def publish(self) -> None:
        """The next hundredth of a second's share; calls itself until all are published."""
        share = max(1, round(MESSAGES * EVERY_S / PUBLISHING_S))
        for _ in range(min(share, MESSAGES - len(self.due_at), 400)):
            number = len(self.due_at)
            delay_ms = self._chance.randrange(1, int(WITHIN_S * 1000))
            self.due_at.append(self._world.now + delay_ms / 1000)
            self._session.publish(number, "orders", 1, bodies.encode([b"%d" % number]), {"delay_ms": delay_ms})
        self._flush()
        if len(self.due_at) < MESSAGES:
            self._world.after(EVERY_S, self.publish)

    def _subscribed(self, frame: Subscribed) -> None:
        self.publish()

    def _confirmed(self, frame: Confirmed) -> None:
        self.confirmed += 1

    def _refused(self, frame: Refused) -> None:
        raise AssertionError(f"refused: {frame}")

    def _deliver(self, frame: Deliver) -> None:
        for item in bodies.decode(frame.body):
            self._came(int(item))  # type: ignore[arg-type]
        self._session.finish(1, frame.log, frame.start, frame.stop)
        self._flush()

    def _came(self, number: int) -> None:
        late_s = self._world.now - self.due_at[number]
        self.early += late_s < -0.002
        self.late += late_s > LATE_S
        self.latest_s = max(self.latest_s, late_s)
        self.again += self.came[number]
        self.came[number] = 1


class Watching:
    """The most that the node had in memory."""

    def __init__(self, fleet: Fleet) -> None:
        self.memory_bytes = self.extents = self.ranges = self._turns = 0
        fleet.on_turn.append(self._turned)

    def _turned(self, host: Any) -> None:
        self._turns += 1
        if self._turns % 200 == 0 and isinstance(engine := host.machine, Engine):
            self.memory_bytes = max(self.memory_bytes, engine.broker.memory_bytes)
            for topic in engine.broker._registry.topics.values():
                for log in topic.logs.values():
                    self.ranges = max(self.ranges, len(log.sleeping), *(len(each.finished) for each in log.cursors))
                    self.extents = max(self.extents, *(len(each.deferred) for each in log.cursors), 0)


def _build(start: Start) -> Machine:
    config = Config(name="n1", broker=BrokerConfig(memory_bytes_max=BUDGET_BYTES))
    return Engine(config.check(), start.epoch, start.rng, bound=start.bound, recovered=start.recovered)


def test_each_of_many_deferred_messages_comes_within_100_ms_after_its_due_time() -> None:
    began = time.process_time()
    fleet = Fleet(1, _build)
    fleet.add("n1")
    fleet.start_all()
    fleet.world.run_until(4.0)
    client, watching = Deferring(fleet), Watching(fleet)
    client.start()
    end_s = fleet.world.now + PUBLISHING_S + WITHIN_S + 10.0
    fleet.world.run_until(end_s)
    print(
        f"{MESSAGES} messages within {WITHIN_S:.0f} s: the latest {client.latest_s * 1000:.1f} ms after its time, "
        f"{client.late} later than {LATE_S * 1000:.0f} ms; most in memory: {watching.memory_bytes >> 10} KiB of "
        f"messages, {watching.extents} that wait for their time, {watching.ranges} ranges; "
        f"{time.process_time() - began:.0f} processor s"
    )
    assert (client.confirmed, sum(client.came)) == (MESSAGES, MESSAGES)
    assert (client.early, client.late, client.again) == (0, 0, 0)
    awake = MESSAGES * min(1.0, 1.5 * AWAKE_S / WITHIN_S)
    assert watching.extents <= awake
    assert watching.memory_bytes <= BUDGET_BYTES + 800 * awake
