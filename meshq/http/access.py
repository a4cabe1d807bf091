"""Who may talk to the HTTP door: the check of ``Host`` and ``Origin``.

A page in somebody's browser can be made to send requests to this node, under a name of the attacker's
that resolves here (then ``Host`` is that name) or from the attacker's own page (then ``Origin`` is).
Programs send the node's name or address as ``Host`` and no ``Origin``. Decides only that; who may
publish what is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable

from meshq.runtime.addresses import is_private, unmapped


class Access:
    """The names under which this node is spoken to. Addresses of loopback and private nets always are."""

    __slots__ = ("_names",)

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {_plain(name) for name in names if name}

    def refusal(self, host: str | None, origin: str | None) -> str | None:
        """Why a request with these headers is refused, in words for its sender; None when it is not."""
        if host is not None and not self.knows(hostname(host)):
            return (
                f"HOST_NOT_ALLOWED: this node is not called {host[:80]!r}; "
                "speak to it by address, or start it with --http-name"
            )
        if origin is not None and origin.partition("://")[2].lower() != (host or "").lower():
            return f"ORIGIN_NOT_ALLOWED: pages of {origin[:80]!r} may not use this node"
        return None

    def knows(self, name: str) -> bool:
        """Whether the node answers to ``name``, a host name or an IP address without port."""
        plain = _plain(name)
        if plain in self._names or plain == "localhost" or plain.endswith(".localhost"):
            return True
        return is_private(unmapped((plain, 0))[0])


def hostname(host: str) -> str:
    """The host of a ``Host`` header without its port and without the brackets of IPv6."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _plain(name: str) -> str:
    return name.strip("[]").rstrip(".").lower()
