"""What bad requests leave in the log of the node: a line now and then."""

from __future__ import annotations

import logging

from aiohttp.http import HttpProcessingError

from meshq.http.complaints import INTERVAL_S, Sparing


def record(error: BaseException | None) -> logging.LogRecord:
    """What aiohttp logs of a request that it can't handle."""
    told = (type(error), error, None) if error is not None else None
    return logging.LogRecord("x", logging.ERROR, "f", 1, "Error handling request from %s", ("10.0.0.1",), told)


def test_a_bad_request_is_one_line_and_the_next_ones_are_counted() -> None:
    now = [0.0]
    sparing = Sparing(lambda: now[0])
    first = record(HttpProcessingError(code=400, message="Got more than 8190 bytes:\n\n  b'...'"))
    assert sparing.filter(first)
    assert (first.levelno, first.exc_info) == (logging.WARNING, None)
    assert "10.0.0.1: Got more than 8190" in first.getMessage()
    assert "\n" not in first.getMessage()
    assert not any(sparing.filter(record(ConnectionResetError("gone"))) for _ in range(1000))
    now[0] = INTERVAL_S
    later = record(HttpProcessingError(code=400, message="bad"))
    assert sparing.filter(later)
    assert later.getMessage().endswith("; 1000 more before it")


def test_what_is_a_fault_of_ours_keeps_its_traceback() -> None:
    sparing = Sparing(lambda: 0.0)
    for _ in range(2):
        fault = record(KeyError("bug"))
        assert sparing.filter(fault)
        assert fault.exc_info is not None
    assert sparing.filter(record(None))
