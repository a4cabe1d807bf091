"""What the options of a publish ask for its messages.

Decides which options there are and what values they take; whoever asks for what can't be had is refused by name.
Unknown options are a later version's and change nothing.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.broker.batch import Traits
from meshq.config import BrokerConfig
from meshq.errors import InvalidMessage
from meshq.names import KEY_CHARACTERS_MAX, LANES, LEVELS

PLAIN: Final = tuple(Traits(level=level) for level in range(len(LEVELS)))


def traits(now: float, options: dict[str, Any], level: int, limits: BrokerConfig) -> Traits:
    """The traits of a publish at that level. Raises InvalidMessage (BAD_DELAY, BAD_KEY, BAD_PRIORITY)."""
    if not options:
        return PLAIN[level]
    delay_ms = options.get("delay_ms", 0)
    if type(delay_ms) is not int or not 0 <= delay_ms <= limits.delay_max_s * 1000:
        raise InvalidMessage(f"a delay is 0 to {limits.delay_max_s:.0f} seconds", code="BAD_DELAY")
    key = options.get("key", "")
    if type(key) is not str or len(key) > KEY_CHARACTERS_MAX:
        raise InvalidMessage(f"an ordering key is text of at most {KEY_CHARACTERS_MAX} characters", code="BAD_KEY")
    lane = options.get("priority", 0)
    if type(lane) is not int or not 0 <= lane < LANES:
        raise InvalidMessage(f"a priority is 0 (the default) to {LANES - 1} (the most urgent)", code="BAD_PRIORITY")
    due = now + delay_ms / 1000 if delay_ms else 0.0
    return Traits(due=due, level=level, lane=lane, key=key)
