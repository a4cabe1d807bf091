"""How a topic or a channel is set: which settings there are, what values they take, and what none of them means.

The catalog carries settings as plain values and does not know them; whoever lets somebody set one checks it here
(``check``), and whoever goes by them reads the objects made here (``topic_settings``, ``channel_settings``).
A value that this version does not understand, a later version's perhaps, counts as not set. What a setting
does is decided where its field is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from meshq.errors import ConfigError

LEVELS: Final = ("memory", "disk", "fsync")
REFUSE: Final = "refuse"
DROP_OLDEST: Final = "drop_oldest"
EARLIEST: Final = "earliest"
LATEST: Final = "latest"

COUNT_MAX: Final = 1 << 50
"""The largest limit in messages or bytes."""
ATTEMPTS_MAX: Final = 65_535
"""NSQ counts in 16 bits."""
TIME_MS_MAX: Final = ((1 << 63) - 1) // 1_000_000
"""The latest time in ms since 1970 that counts: in nanoseconds, as stores keep it, it has 64 bits (the year 2262)."""
TIME_S_MAX: Final = 10 * 365 * 86_400
"""The longest time to live, window or retention."""

Plain: TypeAlias = bool | int | float | str
What: TypeAlias = Literal["topic", "channel"]


class TopicSettings(NamedTuple):
    """A topic's, as one node has heard them. Limits and windows count at each origin for itself."""

    paused: bool = False
    """Messages are accepted, and no channel is served."""
    level: str = ""
    """Durability of its messages: one of LEVELS; "": the node's."""
    ttl_s: float = 0.0
    """How long a message is wanted from its publish on; 0: until it is finished."""
    messages_max: int = 0
    """Unfinished messages at one origin; 0: as many as the node takes."""
    bytes_max: int = 0
    """The same in bytes."""
    full: str = REFUSE
    """Above them a publish is refused (REFUSE), or what waits longest makes room for it (DROP_OLDEST)."""
    dedupe_window_s: float | None = None
    """How long a publish id is remembered; 0: not at all, None: as long as the node has it."""
    retention_s: float = 0.0
    """How long finished messages are kept for channels to come; 0: for any time, if there is a limit in bytes."""
    retention_bytes: int = 0
    """At most so much of them, oldest first; 0: no limit but the time. With neither nothing is kept."""
    attempts_max: int | None = None
    """What its channels have that say nothing themselves; 0: no limit, None: the node's."""
    emptied_ns: int = 0
    """Emptied when it was so late since 1970: what it kept for channels to come, accepted by then, is gone."""


class ChannelSettings(NamedTuple):
    """A channel's, as one node has heard them. Limits count at each origin for itself."""

    paused: bool = False
    """Nothing is handed out; what is in flight goes on."""
    attempts_max: int | None = None
    """Attempts after which a message goes to the dead letters; 0: no limit, None: as the topic says."""
    messages_max: int = 0
    """Unfinished messages at one origin; 0: as many as the topic takes."""
    bytes_max: int = 0
    """The same in bytes."""
    full: str = REFUSE
    """Above them a publish is refused (REFUSE), or what waits longest in the channel makes room (DROP_OLDEST)."""
    start: str | int = ""
    """Where it began: EARLIEST, LATEST, a time in ms since 1970; "": as LATEST. Counts when it is created."""
    emptied_ns: int = 0
    """Emptied when it was so late since 1970: what it had not finished by then is."""


class Setting(NamedTuple):
    """One setting: what may be given for it, in words and as a check."""

    values: str
    allows: Callable[[Any], bool]
    verb: str = ""
    """The verb that sets it; nobody gives it by name then."""


def _flag(value: Any) -> bool:
    return type(value) is bool


def _whole(most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and 0 <= value <= most


def _seconds(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value) and 0 <= value <= TIME_S_MAX


def _one_of(*words: str) -> Callable[[Any], bool]:
    return lambda value: type(value) is str and value in words


_FLAG: Final = Setting("true or false", _flag)
_COUNT: Final = Setting(f"a whole number, at most {COUNT_MAX}; 0 for no limit", _whole(COUNT_MAX))
_ATTEMPTS: Final = Setting(f"1 to {ATTEMPTS_MAX}; 0 for no limit", _whole(ATTEMPTS_MAX))
_SECONDS: Final = Setting(f"seconds, at most {TIME_S_MAX}; 0 for none", _seconds)
_LEVEL: Final = Setting(", ".join(LEVELS[:-1]) + f" or {LEVELS[-1]}", _one_of(*LEVELS))
_FULL: Final = Setting(f"{REFUSE} or {DROP_OLDEST}", _one_of(REFUSE, DROP_OLDEST))
_START: Final = Setting(
    f"{EARLIEST}, {LATEST} or a time in ms since 1970, before the year 2262",
    lambda value: _one_of(EARLIEST, LATEST)(value) or _whole(TIME_MS_MAX)(value),
)
_EMPTIED: Final = Setting("a time in ns since 1970", _whole((1 << 63) - 1), verb="empty")

TOPIC: Final[dict[str, Setting]] = {
    "paused": _FLAG,
    "level": _LEVEL,
    "ttl_s": _SECONDS,
    "messages_max": _COUNT,
    "bytes_max": _COUNT,
    "full": _FULL,
    "dedupe_window_s": _SECONDS,
    "retention_s": _SECONDS,
    "retention_bytes": _COUNT,
    "attempts_max": _ATTEMPTS,
    "emptied_ns": _EMPTIED,
}
"""A topic's settings by name."""

CHANNEL: Final[dict[str, Setting]] = {
    "paused": _FLAG,
    "attempts_max": _ATTEMPTS,
    "messages_max": _COUNT,
    "bytes_max": _COUNT,
    "full": _FULL,
    "start": _START,
    "emptied_ns": _EMPTIED,
}
"""A channel's settings by name."""

_TABLES: Final[dict[What, dict[str, Setting]]] = {"topic": TOPIC, "channel": CHANNEL}


def check(what: What, settings: dict[str, Any]) -> dict[str, Plain | None]:
    """``settings``, if a caller may give them all to a topic or channel; None for a value takes it back.

    Raises ConfigError that names the first wrong one and what is allowed.
    """
    table = _TABLES[what]
    for name, value in settings.items():
        setting = table.get(name)
        if setting is None or setting.verb:
            known = ", ".join(name for name, one in table.items() if not one.verb)
            raise ConfigError(f"a {what} has no setting {str(name)[:64]!r}; it has {known}")
        if value is not None and not setting.allows(value):
            raise ConfigError(f"{name} of a {what} is {setting.values}, not {str(value)[:64]!r}")
    return settings


def topic_settings(values: dict[str, Any]) -> TopicSettings:
    """What ``values`` (name to plain value, as the catalog has them) say of a topic."""
    return TopicSettings(**_understood(TOPIC, values))


def channel_settings(values: dict[str, Any]) -> ChannelSettings:
    """What ``values`` say of a channel."""
    return ChannelSettings(**_understood(CHANNEL, values))


def shown(values: Mapping[str, Any]) -> str:
    """``values`` in one line for people: ``paused ttl_s=60``, or nothing; what ``empty`` left behind is left out."""
    said = {name: value for name, value in values.items() if value is not False and not _said_by_a_verb(name)}
    return " ".join(name if value is True else f"{name}={value}" for name, value in said.items())


def _said_by_a_verb(name: str) -> bool:
    return any(name in table and table[name].verb for table in _TABLES.values())


def _understood(table: dict[str, Setting], values: dict[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name, setting in table.items() if name in values and setting.allows(values[name])}
