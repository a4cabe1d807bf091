"""Standard input as messages: each non-empty line is one, whatever bytes it holds. Pure: bytes in, lines out."""

from __future__ import annotations

from meshq.errors import InvalidMessage


class Lines:
    """Cuts a stream of bytes at newlines; counts the empty lines that it leaves out.

    A last line without a newline counts as well. Nothing is stripped, a carriage return stays.
    """

    __slots__ = ("_bytes_max", "_rest", "empty", "number")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._rest = b""
        self.empty = 0
        self.number = 0
        """Lines cut so far, the empty ones too."""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes. Raises InvalidMessage naming a line over the limit."""
        parts = (self._rest + data).split(b"\n")
        self._rest = parts.pop()
        if len(self._rest) > self._bytes_max:
            self._check(self._rest, self.number + len(parts) + 1)
        return self._take(parts)

    def end(self) -> list[bytes]:
        """The last line when it had no newline."""
        rest, self._rest = self._rest, b""
        return self._take([rest]) if rest else []

    def _take(self, parts: list[bytes]) -> list[bytes]:
        found = []
        for part in parts:
            self.number += 1
            if not part:
                self.empty += 1
                continue
            if len(part) > self._bytes_max:
                self._check(part, self.number)
            found.append(part)
        return found

    def _check(self, part: bytes, number: int) -> None:
        raise InvalidMessage(
            f"line {number} has {len(part):,} bytes or more; a message has at most {self._bytes_max:,}", code="TOO_BIG"
        )
