"""What a node says of itself in a Hello, and which hellos it accepts.

Decides labels, roles and names at the beginning of a stream; versions are for ``link.session``.
"""

from __future__ import annotations

from typing import Any

from meshq.config import Config
from meshq.engine.keys import Keys
from meshq.errors import InvalidName, RemoteProtocolError
from meshq.machine.effects import Address
from meshq.membership.membership import Membership
from meshq.names import check_node
from meshq.wire.frames import NO_OPTIONS, VERSION, Hello
from meshq.wire.keyring import REMOVED

ROLES = ("node", "client", "gossip")
PEERS_TOLD_MAX = 16


class Greeting:
    """The hellos of one node."""

    def __init__(self, config: Config, membership: Membership, keys: Keys) -> None:
        self._config = config
        self._keys = keys
        self._membership = membership

    def hello(self, role: str, observed: Address) -> Hello:
        """What to say to a peer that we see at ``observed``."""
        me = self._membership.me
        addresses = {"mesh": list(me.address), "observed": list(observed)}
        removed = self._keys.removed
        return self._say(role, addresses, {REMOVED: removed} if removed else NO_OPTIONS)

    def welcome(self, peer: Hello, observed: Address) -> Hello:
        """The answer to an accepted hello; a client is told its credit and where else to go."""
        hello = self.hello("node", observed)
        if peer.role != "client":
            return hello
        link = self._config.link
        others = [list(member.address) for member in self._membership.alive()[:PEERS_TOLD_MAX]]
        options: dict[str, Any] = {
            "node": self._config.name,
            "level": "memory",
            "publish_messages": link.publish_messages,
            "publish_bytes": link.publish_bytes,
            "message_bytes_max": self._config.broker.message_bytes_max,
            "publish_bytes_max": self._config.broker.publish_bytes_max,
            "timeout_ms": round(self._config.broker.message_timeout_s * 1000),
            "peers": others,
        }
        return hello._replace(options=options)

    def check(self, hello: Hello) -> None:
        """Raise RemoteProtocolError unless the peer belongs here: LABEL, BAD_FRAME, BAD_NAME."""
        if hello.role not in ROLES:
            raise RemoteProtocolError(f"no role {hello.role!r}", code="BAD_FRAME")
        if hello.label != self._config.label and (hello.role != "client" or hello.label):
            raise RemoteProtocolError(
                f"this mesh has the label {self._config.label!r}, yours is {hello.label[:64]!r}: give both the same",
                code="LABEL",
            )
        if hello.role == "client":
            return
        try:
            check_node(hello.name)
        except InvalidName as exc:
            raise RemoteProtocolError(str(exc), code="BAD_NAME") from exc

    def _say(self, role: str, addresses: dict[str, list[Any]], options: dict[str, Any]) -> Hello:
        config = self._config
        epoch = self._membership.me.epoch
        return Hello(VERSION, VERSION, [], config.label, role, config.name, epoch, "", addresses, options)
