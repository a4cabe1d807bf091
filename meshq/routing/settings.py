"""Settings of a topic or channel: last writer wins, by stamp.

A stamp is max(own clock in ms, stamp replaced + 1): a clock that is ahead wins until others write again,
and moves nobody's clock. Which settings exist is not known here (``machine.settings``): any key is merged and
carried on. A setting is taken back by the value None, which keeps its stamp.
"""

from __future__ import annotations

from typing import Any

from meshq.wire import strict
from meshq.wire.interest import SETTINGS_MAX, Settings


def stamped(settings: Settings, values: dict[str, Any], wall_ms: int) -> Settings:
    """``settings`` with ``values`` set now."""
    stamps = {key: max(wall_ms, settings[key][0] + 1 if key in settings else 0) for key in values}
    return merge_settings(settings, {key: (stamps[key], value) for key, value in values.items()})


def plain(settings: Settings) -> dict[str, Any]:
    """What is set, by name; a setting whose value is None was taken back."""
    return {key: value for key, (_, value) in settings.items() if value is not None}


def merge_settings(mine: Settings, theirs: Settings) -> Settings:
    """Per key the later stamp; at equal stamps the greater encoding, so that any order gives the same.

    Bounded to the first SETTINGS_MAX keys by name: also the same in any order.
    """
    if not theirs or mine == theirs:
        return mine
    merged = dict(mine)
    for key, setting in theirs.items():
        if key not in merged or _rank(setting) > _rank(merged[key]):
            merged[key] = setting
    return dict(sorted(merged.items())[:SETTINGS_MAX])


def _rank(setting: tuple[int, Any]) -> tuple[int, bytes]:
    return setting[0], strict.encode(setting[1])
