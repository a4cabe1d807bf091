"""The keys of a node: the ring as it is now, and what seals by it.

Decides that a node without keys has nothing of all this: it sends and takes plain bytes, and loads no cipher.
"""

from __future__ import annotations

from meshq.config import Config
from meshq.link.guard import Guard
from meshq.membership.addresses import loopback, numeric
from meshq.wire.keyring import PLAIN, Keyring, Secrecy
from meshq.wire.prefix import Datagrams, Prefix


class Keys:
    """``ring`` is None at a node without keys."""

    def __init__(self, config: Config, secrecy: Secrecy | None) -> None:
        self._secrecy = secrecy
        self.datagrams: Datagrams = Prefix(config.label)
        if secrecy is not None:
            from meshq.wire.sealing import Sealing  # the ciphers: 83 ms and 9 MB, for who has a key

            self.datagrams = Sealing(config.label, secrecy, senders_max=config.membership.senders_max)

    @property
    def ring(self) -> Keyring | None:
        """The keys, the one in use first."""
        return self._secrecy.ring if self._secrecy is not None else None

    def dialling(self) -> Guard | None:
        """What seals a stream that this node dials: the key in use."""
        secrecy = self._secrecy
        if secrecy is None or secrecy.ring.in_use == PLAIN:
            return None
        from meshq.link.secure import DiallerGuard

        return DiallerGuard(secrecy.ring.in_use, secrecy.entropy)

    def accepting(self, host: str) -> Guard | None:
        """What opens a stream that came from ``host``: any key; plain streams are taken from this host."""
        secrecy = self._secrecy
        if secrecy is None:
            return None
        from meshq.link.secure import AcceptorGuard

        return AcceptorGuard(secrecy, takes_plain=secrecy.ring.takes_plain or is_local(host))

    def want(self, role: str, key: str) -> bool:
        """Whether a stream of that role had to be sealed and is not: of this host's streams only clients' need not."""
        ring = self.ring
        return ring is not None and not key and role != "client" and not ring.takes_plain


def is_local(host: str) -> bool:
    """Whether a stream is from this host: over its loopback, or (no address at all) from within the process."""
    return not host or (numeric(host) and loopback(host))
