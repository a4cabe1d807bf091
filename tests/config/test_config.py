"""Settings that contradict each other are refused at the door, by name."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from meshq.config import (
    PROFILES,
    ZERO_ALLOWED,
    BrokerConfig,
    Config,
    LinkConfig,
    MembershipConfig,
    RoutingConfig,
    membership_profile,
)
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


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"membership": MembershipConfig(gossip_interval_s=0.0)}, "membership.gossip_interval_s"),
        ({"membership": MembershipConfig(probe_interval_s=math.nan)}, "membership.probe_interval_s"),
        ({"membership": MembershipConfig(rejoin_interval_s=math.inf)}, "membership.rejoin_interval_s"),
        ({"routing": RoutingConfig(barrier_s=-1.0)}, "routing.barrier_s"),
        ({"broker": BrokerConfig(batch_messages_max=0)}, "broker.batch_messages_max"),
        ({"broker": BrokerConfig(message_timeout_s=0.0)}, "broker.message_timeout_s"),
        ({"link": LinkConfig(heartbeat_s=0.0)}, "link.heartbeat_s"),
        ({"link": LinkConfig(publish_messages=0)}, "link.publish_messages"),
    ],
)
def test_a_number_that_no_node_can_run_with_is_refused_and_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Config(name="a", **change).check()


def test_what_may_be_nothing_may_be_0() -> None:
    nothing: dict[str, Any] = dict.fromkeys(ZERO_ALLOWED, 0)
    groups = {"membership": MembershipConfig, "routing": RoutingConfig, "broker": BrokerConfig, "link": LinkConfig}
    chosen = {
        group: kind(**{each.name: 0 for each in dataclasses.fields(kind) if each.name in nothing})
        for group, kind in groups.items()
    }
    Config(name="a", **chosen).check()


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_of_membership_is_one_to_run_with(name: str) -> None:
    Config(name="a", membership=membership_profile(name)).check()


def test_an_unknown_profile_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="lan, wan, local, memberlist, swim"):
        membership_profile("lna")


def test_settings_are_frozen_and_by_keyword() -> None:
    config = Config(name="a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.name = "b"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Config("a")  # type: ignore[call-arg]
