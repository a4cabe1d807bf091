"""Credit is conserved: each broker's own books balance at every look, and when nothing is under way, what an origin
holds as credit is what the receiver counts as granted to it, in messages and in bytes."""

from __future__ import annotations

from typing import Final

from meshq.broker.broker import Broker
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host

WITHIN_S: Final = 5.0


class Credit(Checker):
    """Has brokers check themselves, and compares their books at the end."""

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        if engine is not None:
            engine.broker.check()

    def at_end(self, settled: bool) -> None:
        for _, engine in self.stage.engines():
            engine.broker.check()
        if settled and not self.stage.world.run_while(lambda: bool(self._difference()), within_s=WITHIN_S):
            self.find(f"credit differs at rest: {self._difference()}")

    def _difference(self) -> str:
        brokers = {name: engine.broker for name, engine in self.stage.engines()}
        for origin, broker in brokers.items():
            for receiver, other in brokers.items():
                if origin != receiver and (found := _compare(origin, broker, receiver, other)):
                    return found
        return ""


def _compare(origin: str, lender: Broker, receiver: str, holder: Broker) -> str:
    """Both ends of each channel between two nodes. Reads what no caller of a broker needs."""
    at_origin = lender._registry.peers.get(receiver)
    at_receiver = holder._registry.peers.get(origin)
    if at_origin is None or at_receiver is None or not (at_origin.session and at_receiver.session):
        return ""
    for key, source in at_receiver.sources.items():
        borrower = at_origin.borrowers.get(key)
        credit = (borrower.messages, borrower.bytes) if borrower is not None else (0, 0)
        if credit != (source.messages, source.bytes):
            return f"{key}: {origin} has {credit}, {receiver} granted {(source.messages, source.bytes)}"
    for key, borrower in at_origin.borrowers.items():
        if key not in at_receiver.sources and (borrower.messages or borrower.bytes):
            return f"{key}: {origin} has {borrower.messages} messages of credit that {receiver} knows nothing of"
    return ""
