"""Which node to try next.

Decides the order of addresses: those given, then those learned from nodes, the one that failed or
drains last. Dials nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from meshq.machine.effects import Address

LEARNED_MAX: Final = 64
"""Addresses kept that a node told of; a newer answer replaces the older one."""


class AddressBook:
    """The addresses of one connection."""

    def __init__(self, given: Sequence[Address]) -> None:
        self._given = list(dict.fromkeys(given))
        self._learned: list[Address] = []
        self._last: Address | None = None

    def round(self) -> list[Address]:
        """Every address once, in the order in which to try them."""
        addresses = [*self._given, *self._learned]
        if self._last in addresses:
            addresses.remove(self._last)
            addresses.append(self._last)
        return addresses

    def learn(self, peers: Any) -> None:
        """Take over what a node says of its mesh (``[[host, port], ...]``); anything else is ignored."""
        told = [_address(peer) for peer in peers] if isinstance(peers, list) else []
        found = [address for address in dict.fromkeys(told) if address is not None and address not in self._given]
        self._learned = found[:LEARNED_MAX]

    def put_last(self, address: Address) -> None:
        """Try all others before this one."""
        self._last = address

    def has_other(self, address: Address) -> bool:
        """Whether there is anywhere else to go."""
        return any(other != address for other in self.round())


def _address(peer: Any) -> Address | None:
    if isinstance(peer, list) and len(peer) == 2 and type(peer[0]) is str and type(peer[1]) is int:
        return (peer[0], peer[1])
    return None
