"""Topics that nobody uses go by themselves, and nothing goes with them."""

from __future__ import annotations

import pytest

from meshq.config import RoutingConfig
from meshq.wire.frames import Confirmed
from tests.engine.cast import Cast

UNUSED_S = 60.0


@pytest.fixture
def cast() -> Cast:
    return Cast(("n1", "n2", "n3"), routing=RoutingConfig(topic_unused_s=UNUSED_S)).start()


def topics(cast: Cast, node: str) -> list[str]:
    return [topic["topic"] for topic in cast.engine(node).routing.topics()]


def do(cast: Cast, node: str, call: str, *arguments: object) -> None:
    """Something is done at a node, which then has its turn."""
    host = cast.fleet.hosts[node]
    getattr(cast.engine(node).routing, call)(host.now, *arguments)
    host.call("tick")


def test_a_topic_that_nobody_uses_goes_everywhere_and_what_is_used_stays(cast: Cast) -> None:
    client = cast.client("n1")
    do(cast, "n1", "use_topic", "idle")
    do(cast, "n1", "use_channel", "watched", "c")
    do(cast, "n1", "use_topic", "set")
    do(cast, "n1", "configure", "set", "", {"ttl_s": 5})
    cast.client("n2").publish("kept", b"x")
    cast.run(UNUSED_S * 0.9)
    assert topics(cast, "n3") == ["idle", "kept", "set", "watched"]
    cast.run(UNUSED_S * 3)
    for node in ("n1", "n2", "n3"):
        assert topics(cast, node) == ["kept", "set", "watched"]
    assert not client.over
    assert cast.engine("n2").messages_left == 1
    assert cast.engine("n1").routing.known("kept") == 1


def test_a_topic_goes_once_its_last_channel_is_long_gone(cast: Cast) -> None:
    do(cast, "n1", "use_channel", "watched", "c")
    cast.run(UNUSED_S * 2)
    do(cast, "n2", "delete_channel", "watched", "c")
    cast.run(UNUSED_S * 0.8)
    assert topics(cast, "n1") == ["watched"]
    cast.run(UNUSED_S)
    assert topics(cast, "n1") == []


def test_what_is_published_elsewhere_at_the_moment_when_it_goes_is_the_topics_next_use(cast: Cast) -> None:
    do(cast, "n1", "use_topic", "idle")
    cast.run(1.0)
    client = cast.client("n2")
    cast.run(0.1)
    client.publish("idle", b"just in time")
    cast.engine("n1").routing.end_unused(cast.fleet.hosts["n1"].now, "idle")
    cast.fleet.hosts["n1"].call("tick")
    client.expect(Confirmed)
    cast.run(5.0)
    assert cast.engine("n2").messages_left == 1
    for node in ("n1", "n2", "n3"):
        assert cast.engine(node).routing.known("idle") == 2


def test_nothing_goes_while_somebody_is_missing_who_may_know_of_a_use(cast: Cast) -> None:
    do(cast, "n1", "use_topic", "idle")
    cast.run(UNUSED_S * 0.7)
    cast.fleet.crash("n3")
    cast.run(UNUSED_S * 0.9)
    assert topics(cast, "n1") == ["idle"]
    cast.run(UNUSED_S)
    assert topics(cast, "n1") == []
