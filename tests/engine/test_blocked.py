"""A network that lets streams pass and no datagrams: a firewall that knows TCP only."""

from __future__ import annotations

from typing import Any

from meshq.machine import events
from meshq.membership.member import State
from meshq.sim.network import Weather
from meshq.wire.frames import Confirmed, Deliver, Subscribed
from tests.engine.cast import Cast

NO_DATAGRAMS = Weather(mtu_bytes=0)
NAMES = ("n1", "n2", "n3", "n4", "n5")


def told(cast: Cast, kind: type[Any], at: str = "") -> list[Any]:
    return [event for _, host, event in cast.fleet.events if type(event) is kind and at in ("", host)]


def agreed(cast: Cast, names: tuple[str, ...] = NAMES) -> bool:
    """Whether all these hold each other alive at their epochs."""
    epochs = {name: cast.engine(name).epoch for name in names}
    return all(
        {
            member.name: member.epoch
            for member in cast.engine(name).membership.members.values()
            if member.state is State.ALIVE
        }
        == epochs
        for name in names
    )


def test_members_live_by_stream_pings_and_one_line_at_each_says_so_and_one_that_it_is_over() -> None:
    cast = Cast(NAMES).start()
    end = cast.fleet.spell(NO_DATAGRAMS)
    cast.run(60.0)
    assert agreed(cast)
    assert not told(cast, events.MemberFailed)
    for name in NAMES:
        [line] = told(cast, events.Trouble, name)
        assert line.text.startswith("no datagrams (UDP) come through to ")
    end()
    cast.run(90.0)
    for name in NAMES:
        assert [event.text.split()[0] for event in told(cast, events.Trouble, name)] == ["no", "datagrams"]
    assert not any(cast.engine(name).membership.blocked(other) for name in NAMES for other in NAMES)


def test_who_joins_dies_leaves_or_subscribes_is_known_to_all_without_datagrams() -> None:
    cast = Cast(NAMES)
    cast.fleet.spell(NO_DATAGRAMS)
    cast.fleet.start_all()
    cast.until(lambda: agreed(cast), within_s=20.0)
    cast.run(30.0)
    cast.fleet.crash("n3", host=True)
    rest = tuple(name for name in NAMES if name != "n3")
    cast.until(lambda: agreed(cast, rest), within_s=30.0)
    cast.fleet.restart("n3")
    cast.until(lambda: agreed(cast), within_s=10.0)
    cast.run(20.0)
    began = cast.fleet.world.now
    consumer, publisher = cast.client("n2"), cast.client("n4")
    consumer.session.subscribe(1, "t", "c", 100, 1_000_000)
    consumer.say()
    assert consumer.expect(Subscribed)[1:3] == (5, 5), "all have acknowledged the channel"
    assert cast.fleet.world.now - began < 1.0
    publisher.publish("t", b"x")
    publisher.expect(Confirmed)
    consumer.expect(Deliver)
    cast.fleet.hosts["n5"].call("stop")
    cast.until(lambda: agreed(cast, NAMES[:4]), within_s=10.0)


def test_one_member_without_datagrams_is_named_and_the_others_are_not() -> None:
    cast = Cast(NAMES[:3]).start()
    for one, other in (("n1", "n3"), ("n3", "n1")):
        cast.fleet.spell(NO_DATAGRAMS, one, other)
    cast.run(60.0)
    assert agreed(cast, NAMES[:3])
    assert not told(cast, events.Trouble, "n2")
    assert "come through to n3:" in told(cast, events.Trouble, "n1")[0].text


def test_in_a_larger_mesh_without_datagrams_news_of_one_is_soon_news_of_all() -> None:
    names = tuple(f"n{number}" for number in range(1, 17))
    cast = Cast(names).start()
    cast.fleet.spell(NO_DATAGRAMS)
    others = [(name, other) for name in names for other in names if other != name]
    cast.until(lambda: all(cast.engine(name).membership.blocked(other) for name, other in others), within_s=45.0)
    epoch = cast.engine("n7").epoch
    cast.fleet.crash("n7")
    cast.fleet.restart("n7")
    cast.until(lambda: cast.engine("n7").epoch > epoch and agreed(cast, names), within_s=5.0)


def streaming(count: int) -> Cast:
    """A mesh that knows that no datagrams come through to anybody, some time after that was news."""
    names = tuple(f"n{number}" for number in range(1, count + 1))
    cast = Cast(names).start()
    cast.fleet.spell(NO_DATAGRAMS)
    others = [(name, other) for name in names for other in names if other != name]
    cast.until(lambda: all(cast.engine(name).membership.blocked(other) for name, other in others), within_s=60.0)
    cast.run(20.0)
    return cast


def test_a_goodbye_takes_streams_of_its_own_where_no_datagrams_come_through() -> None:
    cast = streaming(16)
    cast.fleet.hosts["n5"].call("stop")
    cast.run(0.05)
    assert cast.fleet.hosts["n5"].stopped is not None
    assert len(told(cast, events.MemberLeft)) >= 8, "whom it told, no rumour was that fast"
    cast.until(lambda: len(told(cast, events.MemberLeft)) == 15, within_s=2.0)
    cast.run(10.0)
    assert not told(cast, events.MemberFailed)


def test_a_goodbye_to_whom_no_stream_can_be_had_keeps_a_node_for_a_second_at_most() -> None:
    cast = streaming(16)
    for name in ("n6", "n7", "n8", "n9", "n10", "n11"):
        cast.fleet.crash(name, host=True)
    began = cast.fleet.world.now
    cast.fleet.hosts["n5"].call("stop")
    cast.until(lambda: cast.fleet.hosts["n5"].stopped is not None, within_s=2.0)
    assert 0.9 < cast.fleet.world.now - began < 1.1
    cast.until(lambda: len(told(cast, events.MemberLeft)) == 9, within_s=3.0)


def test_a_goodbye_goes_over_links_as_well_where_it_is_not_known_yet_that_datagrams_are_lost() -> None:
    cast = Cast(NAMES[:2]).start()
    consumer, publisher = cast.client("n2"), cast.client("n1")
    consumer.session.subscribe(1, "t", "c", 100, 1_000_000)
    consumer.say()
    consumer.expect(Subscribed)
    publisher.publish("t", b"x")
    consumer.expect(Deliver)
    cast.fleet.spell(NO_DATAGRAMS)
    cast.fleet.hosts["n2"].call("stop")
    cast.until(lambda: bool(told(cast, events.MemberLeft, "n1")), within_s=0.1)
    cast.run(10.0)
    assert not told(cast, events.MemberFailed)
