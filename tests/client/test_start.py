"""Where a channel begins, as callers write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from meshq.cli.exits import WrongUse
from meshq.cli.start import read_start
from meshq.client.start import setting
from meshq.errors import ConfigError

NOON_MS = 1_769_860_800_000


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("earliest", "earliest"),
        ("latest", "latest"),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), NOON_MS),
        (datetime(2026, 1, 31, 14, tzinfo=timezone(timedelta(hours=2))), NOON_MS),
        ("2026-01-31T12:00:00Z", NOON_MS),
        ("2026-01-31T14:00:00+02:00", NOON_MS),
        (NOON_MS / 1000, NOON_MS),
        (f"{NOON_MS // 1000}", NOON_MS),
        (NOON_MS, NOON_MS),
    ],
)
def test_a_word_or_a_time_in_any_usual_form_is_a_start(said: Any, means: str | int) -> None:
    assert setting(said) == means


@pytest.mark.parametrize("said", ["noon", "", "2026-01-31T12:00:00", datetime(2026, 1, 31), -1, "nan", float("inf")])  # noqa: DTZ001
def test_what_is_no_start_is_refused_with_what_would_be(said: Any) -> None:
    with pytest.raises(ConfigError, match="start"):
        setting(said)


@pytest.mark.parametrize("year", [2263, 2999, 6000])
def test_a_time_that_no_store_could_keep_is_refused(year: int) -> None:
    there = datetime(year, 1, 1, tzinfo=UTC)
    for said in (there, there.isoformat(), there.timestamp() * 1000):
        with pytest.raises(ConfigError, match="between 1970 and 2262"):
            setting(said)
    assert setting(datetime(2262, 1, 1, tzinfo=UTC)) == 9_214_646_400_000


def test_on_the_command_line_a_time_may_be_ago() -> None:
    now_ms = datetime.now(UTC).timestamp() * 1000
    assert abs(int(setting(read_start("-90m") or "")) - (now_ms - 5_400_000)) < 60_000
    assert read_start(None) is None
    for wrong in ("-10", "-m", "10m"):
        with pytest.raises(WrongUse, match="start"):
            read_start(wrong)
