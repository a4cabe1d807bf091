"""Which address a node gives the mesh as its own, as far as it can know before anybody answered.

In order: what was asked for; the bound address; how a seed sees us, which only the engine learns;
the interface that reaches the seed; loopback. Without seeds, and when the seed is on this host, the interface out of
this host if private: a node that joined by localhost may have members on other hosts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from meshq.machine.effects import Address
from meshq.membership.addresses import loopback
from meshq.runtime.addresses import MeshSockets, advertised_address, interface_towards, is_wildcard, split_address
from meshq.runtime.resolver import families, resolve

SEED_LOOKUP_S: Final = 2.0
"""How long a start may wait for the name of a seed, to learn which interface reaches it."""


class Place(NamedTuple):
    """``bound`` serves until something better is known; ``advertised`` is final, or None while a seed may know."""

    bound: Address
    advertised: Address | None


async def find_place(sockets: MeshSockets, advertise: str | None, seeds: Sequence[str]) -> Place:
    """Where the node behind ``sockets`` is; ConfigError when ``advertise`` is no address."""
    host, port = sockets.address
    if advertise is not None:
        asked = advertised_address(advertise, port)
        return Place(asked, asked)
    if not is_wildcard(host):
        return Place(sockets.address, sockets.address)
    seed = await _first_seed(seeds, families(sockets.udp.family))
    towards = interface_towards(seed)
    return Place((interface_towards(None) if loopback(towards) else towards, port), None)


async def _first_seed(seeds: Sequence[str], family: int) -> Address | None:
    for seed in seeds:
        host, port = split_address(seed)
        if found := await resolve(host, port, family=family, timeout_s=SEED_LOOKUP_S):
            return found[0]
    return None
