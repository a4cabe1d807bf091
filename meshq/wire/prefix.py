"""The prefix of every gossip datagram: which protocol, which version, which mesh, which key.

     0       2   3   4            12
    +-------+---+---+------------+- - - - - - -+
    | magic | v | k | label hash | CBOR packet |
    +-------+---+---+------------+- - - - - - -+

``v`` is the version (1), ``k`` the number of the key (0: plain; with another one a nonce and a sealed packet follow,
see ``wire.sealing``). The label is the mesh's name: meshes of different labels never merge.
Leaves the packet to ``wire.gossip`` and ``wire.interest``.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, Protocol

from meshq.errors import LocalProtocolError, RemoteProtocolError

MAGIC: Final = b"\xf1q"
VERSION: Final = 1
PLAIN: Final = 0
PREFIX_BYTES: Final = 12
DATAGRAM_BYTES_MAX: Final = 1400
PACKET_BYTES_MAX: Final = DATAGRAM_BYTES_MAX - 40
"""What a packet may use: the rest is the prefix (12), the nonce (12) and the tag (16) of a sealed one."""


def label_hash(label: str) -> bytes:
    """Eight bytes that tell meshes apart."""
    return blake2b(label.encode(), digest_size=8).digest()


class Datagrams(Protocol):
    """Packets into datagrams and back: ``Prefix``, or ``sealing.Sealing`` where there are keys."""

    def wrap(self, packet: bytes) -> bytes: ...

    def unwrap(self, data: bytes) -> bytes: ...


class Prefix:
    """Puts the prefix on, and takes it off again."""

    def __init__(self, label: str) -> None:
        self._hash = label_hash(label)
        self._head = MAGIC + bytes((VERSION, PLAIN)) + self._hash

    def wrap(self, packet: bytes) -> bytes:
        """The datagram for ``packet``. Raises LocalProtocolError when it would not fit."""
        if len(packet) > PACKET_BYTES_MAX:
            raise LocalProtocolError(f"packet of {len(packet)} bytes; at most {PACKET_BYTES_MAX} fit")
        return self._head + packet

    def unwrap(self, data: bytes) -> bytes:
        """The packet in a datagram; raises RemoteProtocolError with a code that says what differed."""
        if data.startswith(self._head) and len(data) <= DATAGRAM_BYTES_MAX:
            return data[PREFIX_BYTES:]
        raise self._refusal(data)

    def _refusal(self, data: bytes) -> RemoteProtocolError:
        if len(data) < PREFIX_BYTES or len(data) > DATAGRAM_BYTES_MAX or data[:2] != MAGIC:
            return RemoteProtocolError("not a meshq datagram", code="BAD_PREFIX")
        if data[2] != VERSION:
            return RemoteProtocolError(f"protocol version {data[2]}; this node speaks {VERSION}", code="VERSION")
        if data[4:PREFIX_BYTES] != self._hash:
            return RemoteProtocolError("another mesh's label; give both the same --label", code="LABEL")
        return RemoteProtocolError(
            "sealed packets: this node has no key (start it with --key and a copy of that mesh's key file)", code="KEY"
        )
