"""What the end of a link tells of the process at its other end, and what a link that works does for it."""

from __future__ import annotations

from typing import Any

import pytest

from meshq.machine import events
from meshq.membership.member import State
from meshq.sim.ends import End
from meshq.wire import gossip
from meshq.wire.frames import Deliver, Subscribed
from meshq.wire.gossip import Claim
from meshq.wire.prefix import Prefix
from tests.engine.cast import Cast, Talker

NAMES = ("n1", "n2", "n3", "n4", "n5")


def linked(count: int = 5) -> tuple[Cast, Talker]:
    """A mesh whose n1 has lent a message to n2."""
    cast = Cast(NAMES[:count]).start()
    consumer, publisher = cast.client("n2"), cast.client("n1")
    consumer.session.subscribe(1, "t", "c", 100, 1_000_000)
    consumer.say()
    consumer.expect(Subscribed)
    publisher.publish("t", b"one")
    consumer.expect(Deliver)
    return cast, consumer


def told(cast: Cast, kind: type[Any], name: str = "n2", at: str = "") -> list[float]:
    """When nodes told an event about ``name``."""
    return [
        when
        for when, host, event in cast.fleet.events
        if type(event) is kind and event.name == name and at in ("", host)
    ]


def state(cast: Cast, observer: str, name: str = "n2") -> State:
    return cast.engine(observer).membership.members[name].state


def slander(cast: Cast, observer: str, name: str, by: str) -> None:
    """A rumour from ``by`` that a member is dead reaches ``observer``."""
    member = cast.engine(observer).membership.members[name]
    claim = Claim(int(State.DEAD), name, member.epoch, member.incarnation, by)
    packet = Prefix("meshq").wrap(gossip.gossip(by, [gossip.encode_claim(claim)]))
    cast.fleet.hosts[observer].call("datagram", packet, cast.fleet.address(by))


def test_a_process_that_crashes_is_known_to_be_dead_everywhere_within_a_second() -> None:
    cast, _ = linked()
    crashed = cast.fleet.world.now
    cast.fleet.crash("n2")
    others = [name for name in NAMES if name != "n2"]
    cast.until(lambda: all(state(cast, name) is State.DEAD for name in others))
    assert cast.fleet.world.now - crashed < 1.0
    assert len(told(cast, events.MemberFailed)) == len(others)
    assert cast.engine("n1").membership.counters.crashes == 1


def test_a_dial_that_a_dying_process_cuts_off_leaves_the_word_to_the_next_one() -> None:
    """The kernel still takes a connection in for it, and resets it as the process ends."""
    cast, _ = linked()
    streams, refused = cast.fleet.streams, cast.fleet.streams._refused
    cut: dict[str, None] = {}

    def dying(end: End) -> None:
        if end.host in cut:
            refused(end)
        else:
            cut[end.host] = None
            end.over("reset")

    streams._refused = dying  # type: ignore[method-assign]
    cast.fleet.crash("n2")
    began = cast.fleet.world.now
    cast.until(lambda: all(state(cast, name) is State.DEAD for name in NAMES if name != "n2"))
    assert cut
    assert cast.fleet.world.now - began < 1.0


def test_a_link_that_is_reset_is_no_death() -> None:
    cast, _ = linked()
    for _ in range(20):
        cast.fleet.cut_streams("n1", "n2")
        cast.run(0.1)
    cast.run(10.0)
    assert not told(cast, events.MemberFailed)
    assert not told(cast, events.MemberSuspected)


def test_a_dial_that_is_refused_is_no_death_of_one_that_answers_pings() -> None:
    """Its links are reset and its port is closed to streams, as by a firewall, while datagrams pass."""
    cast, _ = linked()
    cast.fleet.streams.unlisten(cast.fleet.address("n2"))
    cast.fleet.cut_streams("n1", "n2")
    cast.run(3.0)
    assert not told(cast, events.MemberFailed)


def test_a_host_that_falls_silent_is_no_crash() -> None:
    cast, _ = linked()
    cast.fleet.crash("n2", host=True)
    cast.run(1.5)
    assert not told(cast, events.MemberFailed)
    cast.until(lambda: state(cast, "n1") is State.DEAD, within_s=30.0)
    assert cast.engine("n1").membership.counters.crashes == 0


@pytest.mark.parametrize("down_s", [0.001, 0.1, 0.25, 0.5])
def test_a_node_that_starts_again_at_once_is_not_taken_for_dead(down_s: float) -> None:
    cast, _ = linked()
    cast.fleet.crash("n2")
    cast.run(down_s)
    cast.fleet.restart("n2")
    began = cast.fleet.world.now
    epoch = cast.engine("n2").epoch
    others = [name for name in NAMES if name != "n2"]
    cast.until(lambda: all(cast.engine(name).membership.members["n2"].epoch == epoch for name in others))
    cast.run(10.0)
    assert all(state(cast, name) is State.ALIVE for name in others)
    assert not [when for when in told(cast, events.MemberFailed) if when > began + 1.0]
    assert cast.engine("n2").membership.me.incarnation == 0


def test_a_death_rumour_about_one_whose_link_works_is_answered_by_it_first() -> None:
    cast, _ = linked()
    slander(cast, "n1", "n2", "n3")
    cast.run(5.0)
    assert not told(cast, events.MemberFailed, at="n1")
    assert not [event for _, _, event in cast.fleet.events if type(event) is events.LinkDown]
    assert cast.engine("n2").membership.me.incarnation == 1
    assert all(state(cast, name) is State.ALIVE for name in NAMES if name != "n2")


def test_a_death_rumour_stands_when_the_link_brings_no_answer_in_half_a_second() -> None:
    cast, _ = linked()
    cast.fleet.crash("n2", host=True)
    slander(cast, "n1", "n2", "n3")
    cast.run(0.4)
    assert state(cast, "n1") is State.ALIVE
    cast.run(0.2)
    assert state(cast, "n1") is State.DEAD


def test_a_death_rumour_about_one_without_a_link_stands_at_once_and_is_refuted() -> None:
    cast, _ = linked()
    slander(cast, "n4", "n5", "n3")
    cast.run(0.01)
    assert state(cast, "n4", "n5") is State.DEAD
    cast.until(lambda: state(cast, "n4", "n5") is State.ALIVE)
