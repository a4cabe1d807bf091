"""Cutting a stream of bytes into frame payloads.

Decides where a frame ends and which lengths are refused; what is inside is for ``wire.frames``.
"""

from __future__ import annotations

from typing import Final

from meshq.errors import RemoteProtocolError
from meshq.wire.frames import LENGTH_BYTES, MAGIC, SEALED_MAGIC

NO_MESH_PORT: Final = "no mesh port: something else answers there (HTTP? the mesh port is 4155 unless --port says so)"
"""What a dialler makes of an answer that does not begin as a link does."""


class Framing:
    """Collects bytes and hands out whole payloads; keeps only an unfinished frame.

    While ``one`` is set, ``feed`` stops behind the first payload, so that what the first one says
    (``limit_bytes``) holds for the second.
    """

    __slots__ = ("_dialled", "_greeted", "_rest", "limit_bytes", "one")

    def __init__(self, limit_bytes: int, *, dialled: bool = False) -> None:
        self.limit_bytes = limit_bytes
        self._dialled = dialled
        self.one = True
        self._rest = b""
        self._greeted = False

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads completed by ``data``. Raises RemoteProtocolError: BAD_MAGIC, TOO_BIG.

        After an error the stream cannot be read any further.
        """
        if self._rest:
            data = self._rest + data
        elif not self.one:
            size = int.from_bytes(data[:LENGTH_BYTES], "big")
            if len(data) == size + LENGTH_BYTES and size <= self.limit_bytes:  # one whole frame: a calm stream
                return [data[LENGTH_BYTES:]]
        at = 0
        if not self._greeted:
            at = self._greet(data)
            if not self._greeted:
                self._rest = data
                return []
        payloads: list[bytes] = []
        end = len(data)
        while end - at >= LENGTH_BYTES:
            size = int.from_bytes(data[at : at + LENGTH_BYTES], "big")
            if size > self.limit_bytes:
                raise RemoteProtocolError(
                    f"a frame of {size} bytes; at most {self.limit_bytes} are allowed (frame_bytes_max)", code="TOO_BIG"
                )
            if end - at - LENGTH_BYTES < size:
                break
            at += LENGTH_BYTES
            payloads.append(data[at : at + size])
            at += size
            if self.one:
                break
        self._rest = data[at:]
        return payloads

    def _greet(self, data: bytes) -> int:
        """How many bytes the magic took; zero while it is not complete."""
        if not data.startswith(MAGIC):
            if MAGIC.startswith(data):
                return 0
            if data.startswith(SEALED_MAGIC):
                raise RemoteProtocolError(
                    "sealed with a key, this node has none: leave --key (MESHQ_KEY) out, or start it with one too",
                    code="KEY",
                )
            ours = "this is a meshq port: the stream does not begin as a link does"
            raise RemoteProtocolError(NO_MESH_PORT if self._dialled else ours, code="BAD_MAGIC")
        self._greeted = True
        return len(MAGIC)
