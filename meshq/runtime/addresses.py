"""Where a node listens, what it tells others, and from whom it takes bytes without a key.

Decides the bind address and port, the address to fall back on until a seed has said how it sees
us, and whether a source is a stranger. The mesh's UDP and TCP share one port number.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final, NamedTuple

from meshq.errors import ConfigError
from meshq.machine.effects import Address

MESH_PORT: Final = 4155
HTTP_PORT: Final = 4151
NSQ_PORT: Final = 4150
PORT_STEP: Final = 100
"""Default ports that are taken move together by this much."""
PORT_MOVES_MAX: Final = 100
RECEIVE_BUFFER_BYTES: Final = 4 * 1024 * 1024
"""Room in the kernel for a burst of datagrams; the usual default keeps 1,700 of 50,000."""
BACKLOG: Final = 1024
ANY_PORT_TRIES: Final = 16
SOURCES_MAX: Final = 4096
"""Sources whose verdict is remembered; then forgotten all at once."""
LOOPBACK: Final = "127.0.0.1"
_MAPPED: Final = "::ffff:"
_ELSEWHERE: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses of documentation (RFC 5737, RFC 3849): never sent to, only asked the way to."""


class MeshSockets(NamedTuple):
    """The two bound sockets of a node; ``address`` is what they are bound to, which may be a wildcard."""

    udp: socket.socket
    tcp: socket.socket
    address: Address

    def close(self) -> None:
        self.udp.close()
        self.tcp.close()


def numeric(host: str) -> IPv4Address | IPv6Address | None:
    """``host`` as an IP address, or None when it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def unmapped(address: Sequence[Any]) -> Address:
    """A socket's idea of an address as ours: host and port, IPv4 as IPv4 also on a socket for both."""
    host = address[0]
    return (host[7:] if host.startswith(_MAPPED) else host, address[1])


def mapped(address: Address) -> Address:
    """An address as a socket for both families wants it."""
    return address if ":" in address[0] else (_MAPPED + address[0], address[1])


def split_address(text: str, port: int = MESH_PORT) -> Address:
    """``host``, ``host:port``, ``::1`` or ``[::1]:port`` as (host, port); ConfigError when it is none of them."""
    if not isinstance(text, str):
        raise ConfigError(f"{text!r:.64} is no address: write 'host' or 'host:port'")
    scheme, slashes, _ = text.partition("://")
    if slashes:
        raise ConfigError(f"{text!r} is no address: leave out {scheme}://, and write host or host:port")
    host, found = text, ""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        found = rest.removeprefix(":")
        if not closed or (rest and not rest.startswith(":")):
            raise ConfigError(f"{text!r} is no address: write [host]:port")
    elif text.count(":") == 1:
        host, _, found = text.partition(":")
    if found:
        port = int(found) if found.isascii() and found.isdigit() else -1
    if not host or not 0 <= port <= 65_535:
        raise ConfigError(f"{text!r} is no address: write host or host:port")
    return host, port


def show_address(address: Address) -> str:
    """host:port, with brackets around IPv6."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_private(host: str) -> bool:
    """Whether a numeric address is loopback, link-local or private: of this host or this network.

    Shared carrier space (100.64.0.0/10) is not: neighbours there may be strangers.
    """
    found = numeric(host.partition("%")[0])
    return found is not None and (found.is_private or found.is_loopback or found.is_link_local)


def is_wildcard(host: str) -> bool:
    """Whether a numeric address stands for every interface."""
    found = numeric(host)
    return found is not None and found.is_unspecified


class Admission:
    """From whom bytes are taken: everybody when bound to one address or opened, else private sources."""

    __slots__ = ("_known", "_restricted")

    def __init__(self, bind: str, *, open_to_all: bool) -> None:
        """ConfigError when ``bind`` is a public address and nobody said ``--open``."""
        if not open_to_all and not is_wildcard(bind) and not is_private(bind):
            raise ConfigError(
                f"{bind} is a public address and there is no key: give --key, bind to a private one, or --open to all"
            )
        self._restricted = is_wildcard(bind) and not open_to_all
        self._known: dict[str, bool] = {}

    def admits(self, host: str) -> bool:
        """Whether a packet or stream from this numeric address is taken."""
        if not self._restricted:
            return True
        verdict = self._known.get(host)
        if verdict is None:
            if len(self._known) >= SOURCES_MAX:
                self._known.clear()
            verdict = self._known[host] = is_private(host)
        return verdict


def bind_host(bind: str | None) -> str:
    """The numeric address to bind to; by default every interface, of both families where there is IPv6."""
    if bind is None:
        return "::" if _dual_stack() else "0.0.0.0"
    return bind if numeric(bind) else _lookup(bind, "--bind")


def bind_mesh(host: str, port: int, *, hint: str = "--port") -> MeshSockets:
    """UDP and TCP sockets at one port of a numeric ``host``; port 0 takes any that both can have.

    ConfigError names the port and the next step when it is taken or not allowed; nothing stays open.
    """
    for tries_left in range(ANY_PORT_TRIES if port == 0 else 1, 0, -1):
        tcp = _bound(socket.SOCK_STREAM, host, port, hint)
        try:
            udp = _bound(socket.SOCK_DGRAM, host, tcp.getsockname()[1], hint)
        except ConfigError:
            tcp.close()
            if tries_left == 1:
                raise
            continue
        return MeshSockets(udp, tcp, (host, tcp.getsockname()[1]))
    raise AssertionError("every try returns or raises")


def bind_tcp(host: str, port: int, *, hint: str) -> socket.socket:
    """A TCP socket at a numeric ``host`` for a door, not listening yet; ConfigError as ``bind_mesh``."""
    return _bound(socket.SOCK_STREAM, host, port, hint)


def free_ports(bind: str | None = None, *, mesh: int = MESH_PORT, tcp: Sequence[int] = (HTTP_PORT, NSQ_PORT)) -> int:
    """By how much all default ports have to move (0, 100, 200, ...) so that every one is free now.

    ``mesh`` is tried for UDP and TCP. Another process may still be faster; binding tells. ConfigError
    when there is no room.
    """
    host = bind_host(bind)
    for moved in range(0, PORT_MOVES_MAX * PORT_STEP, PORT_STEP):
        if max((mesh, *tcp)) + moved > 65_535:
            break
        if _all_free(host, mesh + moved, [port + moved for port in tcp]):
            return moved
    raise ConfigError(f"no free ports at {host} above {mesh}: name them with --port and --http-port")


def advertised_address(advertise: str, port: int) -> Address:
    """What ``--advertise`` says, as a numeric address; ``port`` where it names none."""
    host, port = split_address(advertise, port)
    return (host if numeric(host) else _lookup(host, "--advertise"), port)


def interface_towards(address: Address | None) -> str:
    """The own address from which packets to ``address`` would leave; nothing is sent.

    None asks for the way out of this network, and takes it only if private: a first node has no
    seed to ask, and a mesh of several hosts can't start from loopback. 127.0.0.1 when there is none.
    """
    if address is not None:
        return _source(*address) or LOOPBACK
    host = _source(_ELSEWHERE[socket.AF_INET], 9) or _source(_ELSEWHERE[socket.AF_INET6], 9)
    return host if host and is_private(host) and not is_wildcard(host) else LOOPBACK


def _source(host: str, port: int) -> str | None:
    try:
        with socket.socket(_family(host), socket.SOCK_DGRAM) as probe:
            probe.connect((host, port or 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _all_free(host: str, mesh: int, tcp: Sequence[int]) -> bool:
    held: list[socket.socket] = []
    try:
        held.append(_bound(socket.SOCK_DGRAM, host, mesh, ""))
        held.extend(_bound(socket.SOCK_STREAM, host, port, "") for port in (mesh, *tcp))
    except ConfigError:
        return False
    finally:
        for each in held:
            each.close()
    return True


def _bound(kind: socket.SocketKind, host: str, port: int, hint: str) -> socket.socket:
    family = _family(host)
    bound = socket.socket(family, kind)
    try:
        bound.setblocking(False)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if kind == socket.SOCK_DGRAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        elif hasattr(socket, "AF_UNIX"):  # elsewhere than on Windows it only allows what is closing
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except (OSError, OverflowError) as exc:
        bound.close()
        raise ConfigError(_why_not(exc, host, port, hint)) from exc
    return bound


def _why_not(exc: Exception, host: str, port: int, hint: str) -> str:
    where = show_address((host, port))
    if isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE:
        return f"port {port} is taken ({where}): ask for another with {hint}, or leave {hint} out to move to a free one"
    if isinstance(exc, OSError) and exc.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this host: give one of its own with --bind"
    if isinstance(exc, OSError) and exc.errno == errno.EACCES:
        return f"port {port} is not allowed to this user ({where}): ask for one above 1023 with {hint}"
    return f"can't listen at {where}: {exc}"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _dual_stack() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def _lookup(host: str, flag: str) -> str:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as exc:
        raise ConfigError(f"{flag} {host}: no such host ({exc})") from exc
    hosts = [str(sockaddr[0]) for *_, sockaddr in found]
    return next((each for each in hosts if ":" not in each), hosts[0])
