"""A start takes up what the store kept: it is this node's again.

Decides the order: logs, then names, which tell the channels where they were. Logs that had come in part only, from a
node that drained, are forgotten: their giver has them still.
"""

from __future__ import annotations

from collections.abc import Callable

from meshq.broker.broker import Broker
from meshq.broker.marks import whole
from meshq.machine.store import Recovered
from meshq.routing.routing import Routing


def recover(
    now: float, wall_ns: int, recovered: Recovered, broker: Broker, routing: Routing, settle: Callable[[], None]
) -> None:
    """Give it to the machines; ``settle`` lets routing tell the broker of the names before the broker goes on."""
    recovered, forget = whole(recovered)
    broker.recover(now, wall_ns, recovered.logs)
    for row in forget:
        broker.put(row)
    broker.recover_ids(now, recovered.puts)
    routing.recover(now, recovered.puts, recovered.logs)
    settle()
    broker.recovered(now)
