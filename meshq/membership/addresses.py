"""What a numeric host tells: whether it can be told to others, is this machine only, how it is written."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from meshq.machine.effects import Address

HOSTS_MAX: Final = 4096
"""Hosts whose plain form is kept: parsing one costs as much as decoding a small packet."""


def numeric(host: str) -> bool:
    """Whether ``host`` is an address that needs no look-up."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def usable(host: str) -> bool:
    """Whether others can be told this host: not the one that stands for all."""
    return bool(host) and not ip_address(host).is_unspecified


def loopback(host: str) -> bool:
    """Whether this host is seen from its own machine only."""
    return ip_address(host).is_loopback


@lru_cache(maxsize=HOSTS_MAX)
def plain_host(host: str) -> str:
    """An IPv4 address that a dual socket shows as IPv6 is an IPv4 address; no address at all is empty."""
    try:
        address = ip_address(host)
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped) if mapped is not None else host


def address_text(address: Address) -> str:
    """``host:port``, with brackets around an IPv6 host."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
