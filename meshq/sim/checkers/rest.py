"""At rest nothing is kept: when every message is finished and the window for late channels has passed, brokers hold no
bytes of messages, nothing deferred, leased or received and not handed over, no FINs that a node which runs has not
acknowledged, and every channel says that nothing waits. The store of each node has no batch and no log of an earlier
start, and is in good health.
"""

from __future__ import annotations

from typing import Final

from meshq.broker.broker import Broker
from meshq.broker.why import Why
from meshq.engine.engine import Engine
from meshq.sim.checkers.base import Checker
from meshq.sim.shelf import Shelf

WITHIN_S: Final = 45.0
"""The window, the time in which first channels may come, and the time of an audit."""


class Rest(Checker):
    """Waits for brokers to be empty."""

    def at_end(self, settled: bool) -> None:
        if settled and not self.stage.world.run_while(lambda: bool(self._kept()), within_s=WITHIN_S, check_s=1.0):
            self.find(f"{WITHIN_S:.0f} s after the last message was finished {self._kept()}")

    def _kept(self) -> str:
        engines = self.stage.engines()
        running = {name for name, _ in engines}
        for name, engine in engines:
            broker = engine.broker
            if broker.memory_bytes:
                return f"{name} still keeps {broker.memory_bytes} bytes"
            for topic in broker.stats():
                for channel in topic["channels"]:
                    if channel["depth"] or channel["in_flight"] or channel["deferred"]:
                        return f"{name} says {channel} of {topic['topic']}"
                    why = broker.why(topic["topic"], channel["channel"])
                    if why not in (Why.NONE, Why.NO_CONSUMER):
                        return f"{name} says of {topic['topic']}/{channel['channel']}: {why}"
            if kept := _borrowed(broker, running) or self._stored(name, engine):
                return f"{name} {kept}"
        return ""

    def _stored(self, name: str, engine: Engine) -> str:
        if engine.broker.trouble:
            return f"still says of its store: {engine.broker.trouble}"
        for host in self.stage.fleet.hosts.values():
            if host.machine is engine and host.stores:
                return _on(host.disk.committed, engine)
        return ""


def _on(shelf: Shelf, engine: Engine) -> str:
    for log in shelf.logs.values():
        if log.batches:
            return f"has {len(log.batches)} batches of {log.topic} in its store"
        if log.log.epoch_ms != engine.epoch.ms:
            return f"still has {log.log} of {log.topic} in its store"
    return ""


def _borrowed(broker: Broker, running: set[str]) -> str:
    """What is left of messages of others. FINs for a node that is gone wait until it is forgotten."""
    for receiver in broker._registry.receivers.values():
        if receiver.buffered_messages:
            return f"has {receiver.buffered_messages} messages of {receiver.key} that no consumer was handed"
        for source in receiver.sources.values():
            if source.fins and source.name in running:
                return f"still repeats FINs of {receiver.key} to {source.name}"
    return ""
