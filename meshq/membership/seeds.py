"""Seeds as people write them, and when one is tried again.

Decides what ``host``, ``host:port``, ``[v6]:port`` and a bare IPv6 address mean, and the waits between attempts.
Looking names up is the driver's; asking is ``joining``'s.
"""

from __future__ import annotations

from typing import Final

from meshq.errors import ConfigError
from meshq.machine.effects import Address
from meshq.membership.addresses import numeric

PORT: Final = 4155
"""The mesh's default port."""
ADDRESSES_MAX: Final = 16
"""Addresses of one seed that are tried at a time."""
PATIENCE_S_MAX: Final = 5.0


class Seed:
    """One seed: where it is said to be, and how it has answered so far."""

    __slots__ = (
        "_troubled", "asking", "backoff_s", "host", "number", "others", "port", "reason", "refusal", "text",
    )  # fmt: skip

    def __init__(self, number: int, text: str, backoff_s: float) -> None:
        self.number = number
        self.text = text
        self.host, self.port = parse(text)
        self.backoff_s = backoff_s
        self.asking = False
        """An attempt is under way; else the seed rests until the next one."""
        self.others: list[Address] | None = None
        """Its addresses that are not this node's own, once they are known."""
        self.reason = "no answer"
        self.refusal = ""
        """With which words it has refused this node, last; empty: it has not."""
        self._troubled: dict[Address, bool] = {}
        """Addresses that failed in this attempt, and whether they refused."""

    @property
    def mine(self) -> bool:
        """It turned out to be this node itself."""
        return self.others is not None and not self.others

    @property
    def shut(self) -> bool:
        """Whether it refuses this node, and no other address of it is left that might not."""
        return any(self._troubled.values()) and all(address in self._troubled for address in self.others or ())

    def found(self, others: list[Address]) -> None:
        """Its addresses but for this node's own, for an attempt."""
        self.others = others
        self._troubled.clear()

    def trouble(self, address: Address, why: str, *, refused: bool) -> None:
        """An address of it can't be reached, or refuses this node."""
        self.reason = why
        self._troubled[address] = refused
        if refused:
            self.refusal = why

    @property
    def patience_s(self) -> float:
        """How long an attempt may take."""
        return min(self.backoff_s, PATIENCE_S_MAX)

    def rest(self, max_s: float) -> float:
        """The attempt failed: seconds to the next one, twice as long each time."""
        self.asking = False
        wait_s = min(self.backoff_s, max_s)
        self.backoff_s = min(2 * self.backoff_s, max_s)
        return wait_s


def parse(text: str) -> Address:
    """Host (a numeric address or a name) and port of a seed. Raises ConfigError."""
    host, port = _split(text.strip())
    if not host or any(c in host for c in " /@[]"):
        raise ConfigError(f"seed {text!r}: give host, host:port or [IPv6]:port")
    if not port:
        return host, PORT
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"seed {text!r}: {port!r} is no port")
    return host, int(port)


def _split(text: str) -> tuple[str, str]:
    scheme, slashes, _ = text.partition("://")
    if slashes:
        raise ConfigError(f"seed {text!r}: leave out {scheme}://, a seed is a host or host:port")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not numeric(host) or (rest and not rest.startswith(":")) or rest == ":":
            raise ConfigError(f"seed {text!r}: give an IPv6 address as [address]:port")
        return host, rest[1:]
    if text.count(":") > 1:
        if not numeric(text):
            raise ConfigError(f"seed {text!r}: give an IPv6 address as [address]:port")
        return text, ""
    host, colon, port = text.partition(":")
    if colon and not port:
        raise ConfigError(f"seed {text!r}: the port is missing after ':'")
    return host, port
