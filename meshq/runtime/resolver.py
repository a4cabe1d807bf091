"""Names to addresses, all of them, within a time.

Decides nothing about which address to use; a name that does not resolve is an empty list.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from meshq.machine.effects import Address
from meshq.runtime.addresses import numeric

RESOLVE_TIMEOUT_S: Final = 5.0
ADDRESSES_MAX: Final = 64
"""Records used of one name: more seeds than this bring nothing."""


def families(own: int) -> int:
    """Which addresses a socket of the family ``own`` can use: an IPv6 one here serves both."""
    return socket.AF_UNSPEC if own == socket.AF_INET6 else socket.AF_INET


async def resolve(
    host: str, port: int, *, family: int = socket.AF_UNSPEC, timeout_s: float = RESOLVE_TIMEOUT_S
) -> list[Address]:
    """Every address of ``host``, without repetition, in the resolver's order; [] when there is none in time."""
    if numeric(host):
        return [(host, port)]
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError, TimeoutError):
        return []
    addresses = dict.fromkeys((str(sockaddr[0]), port) for *_, sockaddr in found)
    return list(addresses)[:ADDRESSES_MAX]
