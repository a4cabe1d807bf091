"""Settings of topics and channels: what may be given, and what is made of what peers carry."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest

from meshq.errors import ConfigError
from meshq.machine.settings import (
    CHANNEL,
    TOPIC,
    ChannelSettings,
    TopicSettings,
    What,
    channel_settings,
    check,
    topic_settings,
)


def test_every_setting_is_a_field_and_every_field_a_setting() -> None:
    assert tuple(TOPIC) == TopicSettings._fields
    assert tuple(CHANNEL) == ChannelSettings._fields


def test_what_is_given_is_what_the_object_says() -> None:
    assert topic_settings(check("topic", {"ttl_s": 1.5, "full": "drop_oldest"})) == TopicSettings(
        ttl_s=1.5, full="drop_oldest"
    )
    assert channel_settings(check("channel", {"attempts_max": 0, "start": "latest"})) == ChannelSettings(
        attempts_max=0, start="latest"
    )
    assert channel_settings({"start": 1_700_000_000_000}).start == 1_700_000_000_000


@pytest.mark.parametrize(
    ("what", "name", "value"),
    [
        ("topic", "paused", 1),
        ("topic", "level", "paper"),
        ("topic", "ttl_s", -1),
        ("topic", "ttl_s", math.nan),
        ("topic", "ttl_s", math.inf),
        ("topic", "ttl_s", True),
        ("topic", "messages_max", 1.5),
        ("topic", "messages_max", True),
        ("topic", "full", "drop_newest"),
        ("topic", "attempts_max", 65_536),
        ("channel", "start", "yesterday"),
        ("channel", "start", -1),
        ("channel", "start", 10_000_000_000_000),
        ("channel", "bytes_max", [1]),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed_and_counts_as_not_set(what: What, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} of a {what} is .+, not "):
        check(what, {name: value})
    assert topic_settings({name: value}) == TopicSettings()
    assert channel_settings({name: value}) == ChannelSettings()


@pytest.mark.parametrize("what", get_args(What))
@pytest.mark.parametrize("name", ["emptied_ns", "colour", ""])
def test_nobody_gives_by_name_what_is_unknown_or_a_verbs_own(what: What, name: str) -> None:
    with pytest.raises(ConfigError, match=r"has no setting .*; it has paused"):
        check(what, {name: 1})


def test_none_takes_a_setting_back_and_what_a_later_version_knows_is_ignored() -> None:
    assert check("topic", {"ttl_s": None}) == {"ttl_s": None}
    assert topic_settings({"ttl_s": None, "colour": "red", "paused": True}) == TopicSettings(paused=True)
