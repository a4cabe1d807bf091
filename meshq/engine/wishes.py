"""What the options of a publish ask for its messages.

Decides which options there are and what values they take; whoever asks for what can't be had is refused by name.
Unknown options are a later version's and change nothing.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.broker.batch import Traits
from meshq.config import BrokerConfig
from meshq.errors import InvalidMessage, InvalidName
from meshq.machine.settings import TIME_S_MAX
from meshq.names import KEY_CHARACTERS_MAX, LANES, LEVELS, check_channel

ID_CHARACTERS_MAX: Final = 160
"""A publish id; clients allow 128, and put a number behind it when one call becomes several publishes."""
CHANNELS_MAX: Final = 64
PLAIN: Final = tuple(Traits(level=level) for level in range(len(LEVELS)))


def traits(now: float, options: dict[str, Any], level: int, limits: BrokerConfig) -> Traits:
    """The traits of a publish at that level. Raises InvalidMessage (BAD_DELAY, _TTL, _KEY, ...) or InvalidName."""
    if not options:
        return PLAIN[level]
    delay_ms = options.get("delay_ms", 0)
    if type(delay_ms) is not int or not 0 <= delay_ms <= limits.delay_max_s * 1000:
        raise InvalidMessage(f"a delay is 0 to {limits.delay_max_s:,.0f} seconds (delay_max_s)", code="BAD_DELAY")
    key = options.get("key", "")
    if type(key) is not str or len(key) > KEY_CHARACTERS_MAX:
        raise InvalidMessage(f"an ordering key is text of at most {KEY_CHARACTERS_MAX} characters", code="BAD_KEY")
    lane = options.get("priority", 0)
    if type(lane) is not int or not 0 <= lane < LANES:
        raise InvalidMessage(f"a priority is 0 (the default) to {LANES - 1} (the most urgent)", code="BAD_PRIORITY")
    ttl_ms = options.get("ttl_ms", 0)
    if type(ttl_ms) is not int or not 0 <= ttl_ms <= TIME_S_MAX * 1000:
        raise InvalidMessage(f"a time to live is 0 (none) to {TIME_S_MAX:,} seconds", code="BAD_TTL")
    due = now + delay_ms / 1000 if delay_ms else 0.0
    expires = now + ttl_ms / 1000 if ttl_ms else 0.0
    return Traits(due=due, expires=expires, level=level, lane=lane, key=key, channels=_channels(options))


def publish_id(options: dict[str, Any]) -> str:
    """The id of a publish; empty: none. Raises InvalidMessage (BAD_ID)."""
    found = options.get("id", "")
    if type(found) is not str or len(found) > ID_CHARACTERS_MAX:
        raise InvalidMessage(f"an id is text of at most {ID_CHARACTERS_MAX} characters", code="BAD_ID")
    return found


def _channels(options: dict[str, Any]) -> tuple[str, ...]:
    """The only channels that the messages are for; none named: all. Raises InvalidName."""
    found = options.get("channels", ())
    if not found:
        return ()
    if type(found) is not list or len(found) > CHANNELS_MAX:
        raise InvalidName(f"channels are a list of at most {CHANNELS_MAX} names", code="BAD_CHANNEL")
    return tuple(dict.fromkeys(map(check_channel, found)))
