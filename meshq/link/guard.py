"""What may stand between a session and its stream: ``secure`` has two, for either end. Without a key there is none."""

from __future__ import annotations

from typing import Protocol


class Guard(Protocol):
    """Turns bytes of the stream into bytes of the session, and back."""

    @property
    def key(self) -> str:
        """The name of the key that seals the stream; empty while, or where, nothing does."""

    @property
    def refused(self) -> bool:
        """Whether the other side answered in plain what we have sealed: it may say why, and nothing else."""

    def open(self, data: bytes) -> bytes:
        """What the other side's bytes say, as far as they came. Raises RemoteProtocolError."""

    def seal(self, chunks: list[bytes]) -> list[bytes]:
        """What to write for what is said, which may be nothing so far."""
