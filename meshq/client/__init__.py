"""The thin client: publishing, consuming, asking and watching over one stream after the other.

Decides what a program sees of the mesh, on top of ``meshq.link.client`` (bytes) and ``meshq.runtime`` (streams).
"""

from meshq.client.backoff import Backoff
from meshq.client.dead_letters import DeadLetter, DeadLetters, Redriven
from meshq.client.events import EventStream
from meshq.client.lease import Lease
from meshq.client.mesh import Mesh, connect
from meshq.client.message import Message
from meshq.client.receipts import Receipt
from meshq.client.subscription import Subscription

__all__ = [
    "Backoff",
    "DeadLetter",
    "DeadLetters",
    "EventStream",
    "Lease",
    "Mesh",
    "Message",
    "Receipt",
    "Redriven",
    "Subscription",
    "connect",
]
