"""Readers of single fields: a plain value in, the typed one out, or ValueError that says what was expected.

Shared by frames and gossip packets; what the fields of which frame are is theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from meshq.names import NAME_CHARACTERS_MAX, ChannelKey, Epoch, LogId
from meshq.wire import strict

TEXT_CHARACTERS_MAX: Final = 1024
TEXTS_MAX: Final = 64
ERROR_CHARACTERS_MAX: Final = 200
"""Of what a consumer says went wrong."""
# What a NamedTuple's own constructor does, without the call in between: half the time, twice a frame.
_new: Final[Callable[..., Any]] = tuple.__new__


def whole(value: Any) -> int:
    """A whole number of at most 64 bits."""
    if type(value) is int and 0 <= value < 1 << 64:
        return value
    raise ValueError("a whole number below 2^64 was expected")


def text(value: Any) -> str:
    """A short text."""
    if type(value) is str and len(value) <= TEXT_CHARACTERS_MAX:
        return value
    raise ValueError(f"text of at most {TEXT_CHARACTERS_MAX} characters was expected")


def texts(value: Any) -> list[str]:
    """A few short texts."""
    if type(value) is list and len(value) <= TEXTS_MAX:
        return [text(entry) for entry in value]
    raise ValueError(f"at most {TEXTS_MAX} texts were expected")


def blob(value: Any) -> bytes:
    """Bytes, of any size that the frame allowed."""
    if type(value) is bytes:
        return value
    raise ValueError("bytes were expected")


def boolean(value: Any) -> bool:
    """True or false."""
    if type(value) is bool:
        return value
    raise ValueError("true or false was expected")


def mapping(value: Any) -> dict[str, Any]:
    """A map with text keys and plain values."""
    if type(value) is not dict:
        raise ValueError("a map was expected")
    if value:
        strict.check_plain(value)
    return value


def plain(value: Any) -> Any:
    """Any plain value."""
    strict.check_plain(value)
    return value


def clip_error(error: str) -> str:
    """What of an error's text is passed on: its first ERROR_CHARACTERS_MAX characters, as UTF-8 can hold them."""
    return error[:ERROR_CHARACTERS_MAX].encode("utf-8", "replace").decode()


def error_of(options: dict[str, Any]) -> str:
    """The error that a Req brings, clipped; empty when it brings none."""
    error = options.get("error", "")
    return clip_error(error) if type(error) is str else ""


def epoch(value: Any) -> Epoch:
    """[ms, nonce]."""
    if type(value) is list and len(value) == 2:
        return Epoch(whole(value[0]), whole(value[1]))
    raise ValueError("an epoch is two whole numbers")


def log_id(value: Any) -> LogId:
    """[origin, epoch ms, epoch nonce, generation, lane]."""
    if type(value) is list and len(value) == 5 and type(value[0]) is str and len(value[0]) <= NAME_CHARACTERS_MAX:
        _, ms, nonce, generation, lane = value
        if type(ms) is type(nonce) is type(generation) is type(lane) is int and (
            ms >= 0 and nonce >= 0 and generation >= 0 and lane >= 0
        ):
            log: LogId = _new(LogId, value)
            return log
    raise ValueError("a log is [origin, epoch ms, epoch nonce, generation, lane]")


def flow_key(value: Any) -> ChannelKey | int:
    """The number of a subscription, or [topic, channel, generation]."""
    if type(value) is int and value >= 0:
        return value
    if type(value) is list and len(value) == 3:
        topic, channel, generation = value
        if (
            type(topic) is type(channel) is str
            and type(generation) is int
            and (len(topic) <= NAME_CHARACTERS_MAX and len(channel) <= NAME_CHARACTERS_MAX and generation >= 0)
        ):
            key: ChannelKey = _new(ChannelKey, value)
            return key
    raise ValueError("a flow is a subscription's number or [topic, channel, generation]")
