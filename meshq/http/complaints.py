"""What is said in the node's log about requests that can't be read: who sends them must not be able to fill it.

Decides that a line is enough, and how often there is one. The sender is told by the answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from aiohttp.http import HttpProcessingError

INTERVAL_S: Final = 60.0
"""So long after one line about a bad request the next ones are only counted."""


class Sparing(logging.Filter):
    """Makes of a bad request a warning of one line, and lets one through per INTERVAL_S; all else passes as it is."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._silent_until = float("-inf")
        self._unsaid = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be said."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError | ConnectionError):
            return True
        now = self._clock()
        if now < self._silent_until:
            self._unsaid += 1
            return False
        more = f"; {self._unsaid} more before it" if self._unsaid else ""
        what = " ".join(str(getattr(error, "message", error)).split())
        record.msg, record.args = f"{record.getMessage()}: {what:.120}{more}", ()
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = record.exc_text = None
        self._silent_until = now + INTERVAL_S
        self._unsaid = 0
        return True


requests: Final = logging.getLogger("meshq.http.requests")
"""Where aiohttp complains."""
requests.addFilter(Sparing())
