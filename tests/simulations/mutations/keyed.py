"""Wrong rules of keys: what is sealed with which, and what becomes of a key that changes."""

from __future__ import annotations

from typing import Any

from meshq.engine.keys import Keys
from meshq.wire.keyring import Keyring
from meshq.wire.prefix import Prefix
from meshq.wire.sealing import Sealing
from tests.simulations.mutations.bug import Code, Strike, bug


@bug(Sealing, "wrap", "rotating")
def packets_leave_in_plain(right: Code, strike: Strike) -> Code:
    """A node with a key sends its packets without a seal."""

    def wrap(sealing: Sealing, packet: bytes) -> bytes:
        strike()
        return Prefix("meshq").wrap(packet)

    return wrap


@bug(Keys, "dialling", "rotating")
def streams_are_dialled_in_plain(right: Code, strike: Strike) -> Code:
    """A node with a key dials without a handshake."""

    def dialling(keys: Keys, to: Any) -> None:
        strike()

    return dialling


@bug(Keys, "turned_away", "rotating")
def a_refused_key_is_tried_for_ever(right: Code, strike: Strike) -> Code:
    """Who is turned away for its key dials with the same one again."""

    def turned_away(keys: Keys, to: Any) -> None:
        strike()

    return turned_away


@bug(Sealing, "change", "rotating")
def a_removed_key_goes_on_sealing(right: Code, strike: Strike) -> Code:
    """Packets are sealed with the first key that the node had, whatever it was told."""

    def change(sealing: Sealing, ring: Keyring) -> None:
        before, ciphers = getattr(sealing, "_out", b""), getattr(sealing, "_ciphers", {})
        right(sealing, ring)
        if before and before != sealing._out:
            strike()
            sealing._out = before
            sealing._ciphers = {**ciphers, **sealing._ciphers}

    return change


@bug(Keys, "tick", "rotating")
def streams_outlive_their_key(right: Code, strike: Strike) -> Code:
    """Streams that a removed key had sealed go on."""

    def tick(keys: Keys, now: float) -> None:
        for name in [name for name, until in keys._lingering.items() if now >= until]:
            del keys._lingering[name]
            strike()

    return tick
