"""meshq: a messaging mesh for services.

::

    async with meshq.connect("localhost") as mesh:
        await mesh.publish("orders", b"...")

``Node`` embeds a full node, ``connect`` makes a thin client, ``blocking`` has both for scripts. Everything here
is loaded when it is first used: importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from meshq import blocking as blocking
    from meshq.client import Backoff as Backoff
    from meshq.client import DeadLetter as DeadLetter
    from meshq.client import DeadLetters as DeadLetters
    from meshq.client import EventStream as EventStream
    from meshq.client import Lease as Lease
    from meshq.client import Mesh as Mesh
    from meshq.client import Message as Message
    from meshq.client import Receipt as Receipt
    from meshq.client import Redriven as Redriven
    from meshq.client import Subscription as Subscription
    from meshq.client import connect as connect
    from meshq.config import Config as Config
    from meshq.errors import ChannelDeleted as ChannelDeleted
    from meshq.errors import Closed as Closed
    from meshq.errors import ConfigError as ConfigError
    from meshq.errors import Fenced as Fenced
    from meshq.errors import InvalidMessage as InvalidMessage
    from meshq.errors import InvalidName as InvalidName
    from meshq.errors import LevelUnavailable as LevelUnavailable
    from meshq.errors import LocalProtocolError as LocalProtocolError
    from meshq.errors import MeshError as MeshError
    from meshq.errors import Overloaded as Overloaded
    from meshq.errors import PartlyPublished as PartlyPublished
    from meshq.errors import ProtocolError as ProtocolError
    from meshq.errors import RemoteProtocolError as RemoteProtocolError
    from meshq.errors import StoreTrouble as StoreTrouble
    from meshq.errors import Unconfirmed as Unconfirmed
    from meshq.errors import Unreachable as Unreachable
    from meshq.machine import events as events
    from meshq.node import Door as Door
    from meshq.node import Node as Node
    from meshq.node import NodeInfo as NodeInfo

    __version__: str

_MODULES: Final = {"blocking": "meshq.blocking", "events": "meshq.machine.events"}
_HOMES: Final = {
    "meshq.client": "Backoff DeadLetter DeadLetters EventStream Lease Mesh Message Receipt Redriven Subscription"
    " connect",
    "meshq.config": "Config",
    "meshq.errors": "ChannelDeleted Closed ConfigError Fenced InvalidMessage InvalidName LevelUnavailable MeshError"
    " LocalProtocolError Overloaded PartlyPublished ProtocolError RemoteProtocolError StoreTrouble"
    " Unconfirmed Unreachable",
    "meshq.node": "Door Node NodeInfo",
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted([*_MODULES, *_HOME_OF, "__version__"])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value: Any = import_module(_MODULES[name])
    elif name in _HOME_OF:
        value = getattr(import_module(_HOME_OF[name]), name)
    elif name == "__version__":
        value = import_module("meshq.names").RELEASE
    else:
        raise AttributeError(f"module 'meshq' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
