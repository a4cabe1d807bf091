"""Settings that contradict each other are refused at the door, by name."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from meshq.config import BrokerConfig, Config, LinkConfig, MembershipConfig
from meshq.errors import ConfigError


def test_the_defaults_agree_with_each_other() -> None:
    config = Config(name="a")
    assert config.check() is config


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"label": ""}, "label"),
        ({"label": "x" * 65}, "label"),
        ({"zone": "x" * 65}, "zone"),
        ({"membership": MembershipConfig(probe_timeout_s=1.0)}, "probe_timeout_s"),
        ({"link": LinkConfig(silent_s=2.0)}, "silent_s"),
        ({"link": LinkConfig(frame_bytes_max=5 * 1024 * 1024)}, "frame_bytes_max"),
        ({"broker": BrokerConfig(publish_bytes_max=9 * 1024 * 1024)}, "publish_bytes_max"),
    ],
)
def test_a_contradiction_is_refused_and_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Config(name="a", **change).check()


def test_settings_are_frozen_and_by_keyword() -> None:
    config = Config(name="a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.name = "b"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Config("a")  # type: ignore[call-arg]
