"""The keys of a node: the ring as it is now, and what seals by it.

Decides that a node without keys has nothing of all this: it sends and takes plain bytes, and loads no cipher.
"""

from __future__ import annotations

from meshq.config import Config
from meshq.wire.keyring import Keyring, Secrecy
from meshq.wire.prefix import Datagrams, Prefix


class Keys:
    """``ring`` is None at a node without keys."""

    def __init__(self, config: Config, secrecy: Secrecy | None) -> None:
        self.ring: Keyring | None = secrecy.ring if secrecy is not None else None
        self.datagrams: Datagrams = Prefix(config.label)
        if secrecy is not None:
            from meshq.wire.sealing import Sealing  # the ciphers: 83 ms and 9 MB, for who has a key

            self.datagrams = Sealing(config.label, secrecy, senders_max=config.membership.senders_max)
