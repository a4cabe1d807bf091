"""Sealed gossip datagrams: what is in them, and who sent it, is shown to and by those who have a key.

     0       2   3   4            12            20        24
    +-------+---+---+------------+-------------+---------+- - - - - - - - - - - -+
    | magic | v | k | label hash | start       | counter | sealed packet, tag 16 |
    +-------+---+---+------------+-------------+---------+- - - - - - - - - - - -+

``k`` is the number of the key, 1 to 255; the twelve bytes of the prefix are authenticated. Start and counter are the
nonce: 64 bits of chance drawn by each sender when it begins and whenever its counter is used up, so no nonce comes
twice under one key. ChaCha20-Poly1305 with a key derived from the mesh's (``Key.derive``).

A ring that takes ``plain`` speaks and takes plain datagrams as ``prefix`` has them. Decides nothing about packets.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from meshq.errors import LocalProtocolError, RemoteProtocolError
from meshq.machine.rng import Entropy
from meshq.wire.keyring import WANTED, Key, Keyring, Secrecy
from meshq.wire.prefix import (
    DATAGRAM_BYTES_MAX,
    MAGIC,
    PACKET_BYTES_MAX,
    PLAIN,
    PREFIX_BYTES,
    VERSION,
    Prefix,
    label_hash,
)
from meshq.wire.replay import COUNTER_BYTES, START_BYTES, Windows

NONCE_BYTES: Final = START_BYTES + COUNTER_BYTES
TAG_BYTES: Final = 16
SEALED_FROM: Final = PREFIX_BYTES + NONCE_BYTES
assert PACKET_BYTES_MAX + SEALED_FROM + TAG_BYTES <= DATAGRAM_BYTES_MAX, "a sealed packet fits a datagram"

GOSSIP: Final = b"gossip"


class Sealing:
    """Seals what one node sends, opens what comes. Stands where ``Prefix`` does at a node without keys."""

    def __init__(self, label: str, secrecy: Secrecy, *, senders_max: int) -> None:
        self._plain = Prefix(label)
        self._tail = label_hash(label)
        self._entropy: Entropy = secrecy.entropy
        self._windows = Windows(senders_max)
        self._start = self._entropy(START_BYTES)
        self._counter = 0
        self.change(secrecy.ring)

    def change(self, ring: Keyring) -> None:
        """Use these keys from now on."""
        self._ring = ring
        self._ciphers = {self._head(key): ChaCha20Poly1305(key.derive(GOSSIP)) for key in ring.keys if key.number}
        self._out = self._head(ring.in_use) if ring.in_use.number else b""

    def wrap(self, packet: bytes) -> bytes:
        """The datagram for ``packet``. Raises LocalProtocolError when it would not fit."""
        head = self._out
        if not head:
            return self._plain.wrap(packet)
        if len(packet) > PACKET_BYTES_MAX:
            raise LocalProtocolError(f"packet of {len(packet)} bytes; at most {PACKET_BYTES_MAX} fit")
        nonce = self._nonce()
        return head + nonce + self._ciphers[head].encrypt(nonce, packet, head)

    def unwrap(self, data: bytes) -> bytes:
        """The packet in a datagram.

        Raises RemoteProtocolError: KEY (plain, or no key of this ring), BAD_SEAL (altered, or sealed with another key),
        REPLAY (it came before), BAD_PREFIX, VERSION and LABEL as ``Prefix`` does. Only a packet that is returned has
        changed anything: it is known as having come.
        """
        cipher = self._ciphers.get(data[:PREFIX_BYTES])
        if cipher is None or not SEALED_FROM + TAG_BYTES <= len(data) <= DATAGRAM_BYTES_MAX:
            return self._unwrap_other(data)
        nonce = data[PREFIX_BYTES:SEALED_FROM]
        try:
            packet = cipher.decrypt(nonce, data[SEALED_FROM:], data[:PREFIX_BYTES])
        except InvalidTag:
            raise RemoteProtocolError("a packet was altered on its way, or made up", code="BAD_SEAL") from None
        if not self._windows.take(nonce):
            raise RemoteProtocolError("a packet that came before", code="REPLAY")
        return packet

    def _unwrap_other(self, data: bytes) -> bytes:
        """What no key of the ring opens: a plain packet, or a refusal."""
        if self._ring.takes_plain and data[3:4] == bytes((PLAIN,)):
            return self._plain.unwrap(data)
        if data[:3] != MAGIC + bytes((VERSION,)) or data[4:PREFIX_BYTES] != self._tail:
            return self._plain.unwrap(data)  # which refuses it, with the reason
        number = data[3]
        if self._head_of(number) in self._ciphers or len(data) > DATAGRAM_BYTES_MAX:
            raise RemoteProtocolError("a sealed packet of an impossible length", code="BAD_PREFIX")
        said = f"packets under key number {number}, not known here" if number else "packets that are not sealed"
        raise RemoteProtocolError(f"{said}; {WANTED}", code="KEY")

    def _nonce(self) -> bytes:
        counter = self._counter
        if counter >> 8 * COUNTER_BYTES:
            self._start, counter = self._entropy(START_BYTES), 0
        self._counter = counter + 1
        return self._start + counter.to_bytes(COUNTER_BYTES, "big")

    def _head(self, key: Key) -> bytes:
        return self._head_of(key.number)

    def _head_of(self, number: int) -> bytes:
        return MAGIC + bytes((VERSION, number)) + self._tail
