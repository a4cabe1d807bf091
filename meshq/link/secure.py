"""What is between a session and its stream where there are keys: a handshake, then sealed records.

    dialler                                                      acceptor
       | f1 4d 51 53 | key name 4 | e 32 | tag 16                   |
       |----------------------------------------------------------->|   has that key, or says goodbye in plain
       |                              f1 4d 51 53 | e 32 | tag 16    |
       |<-----------------------------------------------------------|
       |   length, BE 2 | sealed bytes, at most 65,535               |   the same stream as without a key, in records
       |<==========================================================>|

A record holds what a turn wrote, as much as fits: what sealing costs goes by the byte, not by the message. A refusal is
in plain, since who is refused has no key; it is believed for its words only. Decides nothing about who may come in
plain: it is told.
"""

from __future__ import annotations

from typing import Final

from meshq.errors import RemoteProtocolError
from meshq.link.noise import MESSAGE_BYTES, TAG_BYTES, Cipher, Handshake
from meshq.machine.rng import Entropy
from meshq.wire.frames import MAGIC, SEALED_MAGIC
from meshq.wire.keyring import NAME_BYTES, WANTED, Key, Keyring, Secrecy

LINK: Final = b"link"
LENGTH_BYTES: Final = 2
RECORD_BYTES_MAX: Final = 0xFFFF - TAG_BYTES
OPENING_BYTES: Final = len(SEALED_MAGIC) + NAME_BYTES
"""What the dialler says in plain: the prologue of the handshake."""


class Records:
    """A stream of bytes cut into sealed records, and back."""

    __slots__ = ("_receiving", "_rest", "_sending")

    def __init__(self, sending: Cipher, receiving: Cipher) -> None:
        self._sending = sending
        self._receiving = receiving
        self._rest = b""

    def seal(self, chunks: list[bytes]) -> list[bytes]:
        """``chunks`` in as few records as hold them."""
        whole = memoryview(b"".join(chunks) if len(chunks) != 1 else chunks[0])
        out: list[bytes] = []
        for at in range(0, len(whole), RECORD_BYTES_MAX):
            sealed = self._sending.seal(whole[at : at + RECORD_BYTES_MAX])
            out += (len(sealed).to_bytes(LENGTH_BYTES, "big"), sealed)
        return out

    def open(self, data: bytes) -> bytes:
        """The bytes of the records completed by ``data``. Raises RemoteProtocolError (BAD_SEAL)."""
        if self._rest:
            data = self._rest + data
        whole, at, end, opened = memoryview(data), 0, len(data), []
        while end - at >= LENGTH_BYTES:
            stop = at + LENGTH_BYTES + int.from_bytes(whole[at : at + LENGTH_BYTES], "big")
            if stop > end:
                break
            opened.append(self._receiving.open(whole[at + LENGTH_BYTES : stop]))
            at = stop
        self._rest = data[at:]
        return opened[0] if len(opened) == 1 else b"".join(opened)


class DiallerGuard:
    """Of a stream that we dialled: sealed with ``key``, or refused."""

    def __init__(self, key: Key, entropy: Entropy) -> None:
        opening = SEALED_MAGIC + bytes.fromhex(key.name)
        self._handshake = Handshake(key.derive(LINK), opening, entropy(32))
        self._unsent = [opening + self._handshake.begin()]
        self._held: list[bytes] = []
        self._rest = b""
        self._records: Records | None = None
        self._name = key.name
        self.refused = False

    @property
    def key(self) -> str:
        """The name of the key that seals the stream, once it does."""
        return self._name if self._records is not None else ""

    def open(self, data: bytes) -> bytes:
        if self._records is not None:
            return self._records.open(data)
        if self.refused:
            return data
        data = self._rest = self._rest + data
        if data[: len(MAGIC)] == MAGIC:
            self.refused, self._rest = True, b""
            return data
        if not SEALED_MAGIC.startswith(data[: len(SEALED_MAGIC)]):
            raise RemoteProtocolError("no node of a mesh with keys answers there", code="BAD_MAGIC")
        end = len(SEALED_MAGIC) + MESSAGE_BYTES
        if len(data) < end:
            return b""
        self._records = Records(*self._handshake.finish(data[len(SEALED_MAGIC) : end]))
        self._rest = b""
        return self._records.open(data[end:])

    def seal(self, chunks: list[bytes]) -> list[bytes]:
        unsent, self._unsent = self._unsent, []
        if self._records is None:
            self._held += chunks  # a hello
            return unsent
        held, self._held = self._held + chunks if self._held else chunks, []
        return unsent + self._records.seal(held)


class AcceptorGuard:
    """Of a stream that came in: sealed with a key of the ring, or plain if that is taken from there."""

    refused: Final = False

    def __init__(self, secrecy: Secrecy, *, takes_plain: bool) -> None:
        self._ring: Keyring = secrecy.ring
        self._entropy = secrecy.entropy
        self._takes_plain = takes_plain
        self._rest = b""
        self._unsent: list[bytes] = []
        self._records: Records | None = None
        self._plain = False
        self.key = ""

    def open(self, data: bytes) -> bytes:
        if self._records is not None:
            return self._records.open(data)
        if self._plain:
            return data
        data = self._rest = self._rest + data
        magic = data[: len(SEALED_MAGIC)]
        if magic != SEALED_MAGIC:
            if len(magic) < len(SEALED_MAGIC) and SEALED_MAGIC.startswith(magic):
                return b""
            return self._open_plain(data)
        end = OPENING_BYTES + MESSAGE_BYTES
        if len(data) < end:
            return b""
        self._greet(data[:OPENING_BYTES], data[OPENING_BYTES:end])
        return self._records.open(data[end:]) if self._records is not None else b""

    def seal(self, chunks: list[bytes]) -> list[bytes]:
        if self._records is None:  # plain, or a refusal
            return chunks
        unsent, self._unsent = self._unsent, []
        return unsent + self._records.seal(chunks)

    def _open_plain(self, data: bytes) -> bytes:
        if data[: len(MAGIC)] == MAGIC and not self._takes_plain:
            raise RemoteProtocolError(WANTED, code="KEY")
        self._plain, self._rest = True, b""
        return data

    def _greet(self, opening: bytes, message: bytes) -> None:
        name = opening[-NAME_BYTES:].hex()
        key = self._ring.find(name)
        if key is None:
            said = f"key {name} is not known here, key {self._ring.own.name} is: take a new copy of the mesh's key file"
            raise RemoteProtocolError(said, code="KEY")
        answer, sending, receiving = Handshake(key.derive(LINK), opening, self._entropy(32)).answer(message)
        self._records, self.key, self._rest = Records(sending, receiving), name, b""
        self._unsent = [SEALED_MAGIC + answer]
