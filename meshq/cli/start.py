"""Where a channel is to begin, as it is written on the command line: earliest, latest, a time, or -10m.

Decides how a time before now is written; everything else is ``meshq.client.start``'s.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Final

from meshq.cli.exits import WrongUse
from meshq.client.start import setting
from meshq.errors import ConfigError

ONCE: Final = "where it begins counts when a channel is created; delete it first to have it begin elsewhere"
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_AGO: Final = re.compile(r"-(\d+(?:\.\d+)?)([smhd])", re.ASCII)


def read_start(text: str | None) -> str | None:
    """The same, with a time for one before now, by this host's clock. Raises WrongUse."""
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        text = datetime.fromtimestamp(time.time() - float(ago[1]) * _UNITS[ago[2]], UTC).isoformat()
    try:
        setting(text)
    except ConfigError as exc:
        raise WrongUse(f"{exc}; -10m is ten minutes ago") from exc
    return text
