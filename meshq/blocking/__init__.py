"""The same verbs for scripts that have no event loop.

::

    with meshq.blocking.connect("localhost") as mesh:
        mesh.publish("orders", b"...")
        with mesh.subscribe("orders", "billing") as messages:
            for message in messages:
                with message:
                    handle(message.body)

Everything runs on an event loop in a thread of its own; calls wait for it, and Ctrl-C interrupts them.
Holds no rule of its own.
"""

from meshq.blocking.mesh import DeadLetters, Mesh, connect
from meshq.blocking.messages import Lease, Message
from meshq.blocking.node import Node
from meshq.blocking.subscription import Subscription

__all__ = ["DeadLetters", "Lease", "Mesh", "Message", "Node", "Subscription", "connect"]
