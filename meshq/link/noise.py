"""The handshake of a sealed stream: Noise_NNpsk0_25519_ChaChaPoly_SHA256.

    dialler                        acceptor
       | -- psk, e, tag -------------> |    the tag shows that the dialler has the key, before any work is done for it
       | <------------- e, ee, tag --- |    the tag shows that the acceptor has it too
       | === two ciphers, one each way |    of the key and of two secrets that each side forgets: of streams that
                                            were recorded, the key alone opens none

Source: The Noise Protocol Framework, revision 34, sections 5 (processing), 9 (pre-shared keys) and 7.4 (NN). Payloads
are empty. A first message that is repeated is answered, and leads nowhere: only the first record after the handshake
shows that the dialler is there now.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from meshq.errors import RemoteProtocolError

PROTOCOL: Final = b"Noise_NNpsk0_25519_ChaChaPoly_SHA256"
POINT_BYTES: Final = 32
TAG_BYTES: Final = 16
MESSAGE_BYTES: Final = POINT_BYTES + TAG_BYTES
"""Of either message of the handshake."""


class Cipher:
    """One direction of a stream: what is sealed as the nth is opened as the nth, or not at all."""

    __slots__ = ("_aead", "_count")

    def __init__(self, key: bytes) -> None:
        self._aead = ChaCha20Poly1305(key)
        self._count = 0

    def seal(self, data: bytes | memoryview, ad: bytes = b"") -> bytes:
        """``data`` and a tag of 16 bytes."""
        return self._aead.encrypt(self._nonce(), data, ad)

    def open(self, sealed: bytes | memoryview, ad: bytes = b"") -> bytes:
        """What was sealed. Raises RemoteProtocolError (BAD_SEAL); the stream is over then."""
        try:
            return self._aead.decrypt(self._nonce(), sealed, ad)
        except InvalidTag:
            raise RemoteProtocolError("bytes that were altered on their way, or made up", code="BAD_SEAL") from None

    def _nonce(self) -> bytes:
        count = self._count
        self._count = count + 1
        return b"\0\0\0\0" + count.to_bytes(8, "little")


class Handshake:
    """One side of one handshake. ``secret`` is 32 bytes of chance that are used for nothing else."""

    __slots__ = ("_chain", "_cipher", "_hash", "_secret")

    def __init__(self, psk: bytes, prologue: bytes, secret: bytes) -> None:
        """``psk``: the key of both; ``prologue``: what both have said before, in plain."""
        self._hash = self._chain = sha256(PROTOCOL).digest()
        self._secret = secret
        self._mix(prologue)
        self._chain, mixed, key = _hkdf(self._chain, psk, 3)
        self._mix(mixed)
        self._cipher = Cipher(key)

    def begin(self) -> bytes:
        """The dialler's message."""
        own = X25519PrivateKey.from_private_bytes(self._secret).public_key().public_bytes_raw()
        self._take_point(own)
        return own + self._seal()

    def answer(self, message: bytes) -> tuple[bytes, Cipher, Cipher]:
        """The acceptor's message, and its ciphers to send and to receive with. Raises RemoteProtocolError."""
        theirs = message[:POINT_BYTES]
        self._take_point(theirs)
        self._open(message[POINT_BYTES:])  # before any work with curves: strangers end here
        own = X25519PrivateKey.from_private_bytes(self._secret).public_key().public_bytes_raw()
        self._take_point(own)
        self._take_key(self._agree(theirs))
        message = own + self._seal()
        dialler, acceptor = self._split()
        return message, acceptor, dialler

    def finish(self, message: bytes) -> tuple[Cipher, Cipher]:
        """The dialler's ciphers to send and to receive with. Raises RemoteProtocolError."""
        theirs = message[:POINT_BYTES]
        self._take_point(theirs)
        self._take_key(self._agree(theirs))
        self._open(message[POINT_BYTES:])
        return self._split()

    def _take_point(self, point: bytes) -> None:
        self._mix(point)
        self._take_key(point)

    def _take_key(self, material: bytes) -> None:
        self._chain, key = _hkdf(self._chain, material, 2)
        self._cipher = Cipher(key)

    def _agree(self, point: bytes) -> bytes:
        try:
            secret = X25519PrivateKey.from_private_bytes(self._secret)
            return secret.exchange(X25519PublicKey.from_public_bytes(point))
        except ValueError:  # a point of low order
            raise RemoteProtocolError("no point to agree on a secret with", code="BAD_SEAL") from None

    def _seal(self) -> bytes:
        sealed = self._cipher.seal(b"", self._hash)
        self._mix(sealed)
        return sealed

    def _open(self, sealed: bytes) -> None:
        self._cipher.open(sealed, self._hash)
        self._mix(sealed)

    def _mix(self, data: bytes) -> None:
        self._hash = sha256(self._hash + data).digest()

    def _split(self) -> tuple[Cipher, Cipher]:
        dialler, acceptor = _hkdf(self._chain, b"", 2)
        return Cipher(dialler), Cipher(acceptor)


def _hkdf(chain: bytes, material: bytes, count: int) -> list[bytes]:
    """``count`` keys of 32 bytes, as Noise defines it."""
    base, found, last = hmac.digest(chain, material, "sha256"), [], b""
    for number in range(1, count + 1):
        last = hmac.digest(base, last + bytes((number,)), "sha256")
        found.append(last)
    return found
