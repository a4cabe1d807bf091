"""When nodes dial each other, which link stays, and what its end means."""

from __future__ import annotations

import pytest

from meshq.config import LinkConfig
from meshq.machine import events
from meshq.wire.frames import Confirmed, Deliver, Subscribed
from tests.engine.cast import Cast, Talker
from tests.engine.peer import Peer
from tests.pure import pure_only


def consume(cast: Cast, node: str, *, credit: int = 100) -> Talker:
    client = cast.client(node)
    client.session.subscribe(1, "t", "c", credit, 1_000_000)
    client.say()
    client.expect(Subscribed)
    return client


def linked(cast: Cast, one: str, other: str) -> bool:
    return cast.engine(one).links.get(other) is not None and cast.engine(other).links.get(one) is not None


def test_no_link_is_dialled_without_business() -> None:
    cast = Cast(("n1", "n2")).start()
    cast.run(5.0)
    assert not cast.engine("n1").links.all()


def test_of_two_links_dialled_at_once_the_one_of_the_lower_name_stays_at_both_ends() -> None:
    cast = Cast(("n1", "n2")).start()
    for one, other in (("n1", "n2"), ("n2", "n1")):
        engine = cast.engine(one)
        engine.links.want(cast.fleet.hosts[one].now, other)
        cast.fleet.hosts[one].call("tick")
    cast.until(lambda: linked(cast, "n1", "n2"))
    cast.run(1.0)
    ends = [cast.engine(one).links.get(other) for one, other in (("n1", "n2"), ("n2", "n1"))]
    assert [link.dialler for link in ends if link is not None] == ["n1", "n1"]


def test_messages_wait_out_a_broken_link_and_arrive_over_the_next() -> None:
    cast = Cast(("n1", "n2")).start()
    consumer, publisher = consume(cast, "n2"), cast.client("n1")
    publisher.publish("t", b"one")
    consumer.expect(Deliver)
    mend = cast.fleet.partition(["n1"], ["n2"])
    cast.fleet.cut_streams("n1", "n2")
    publisher.publish("t", b"two", request=2)
    publisher.expect(Confirmed, 2)
    cast.run(1.0)
    mend()
    assert consumer.expect(Deliver, 2).stop <= 3
    cast.until(lambda: linked(cast, "n1", "n2"))


def test_the_leases_of_a_crashed_node_come_back_at_once() -> None:
    cast = Cast(("n1", "n2", "n3")).start()
    dying = consume(cast, "n2")
    publisher = cast.client("n1")
    publisher.publish("t", *[b"x"] * 10)
    dying.expect(Deliver)
    survivor = consume(cast, "n3")
    before = cast.fleet.world.now
    cast.fleet.crash("n2")
    survivor.expect(Deliver)
    assert cast.fleet.world.now - before < 1.0


def test_a_silent_host_loses_its_leases_after_the_silence_allowed() -> None:
    cast = Cast(("n1", "n2", "n3")).start()
    dying = consume(cast, "n2")
    publisher = cast.client("n1")
    publisher.publish("t", b"x")
    dying.expect(Deliver)
    survivor = consume(cast, "n3")
    before = cast.fleet.world.now
    cast.fleet.crash("n2", host=True)
    survivor.expect(Deliver)
    assert cast.fleet.world.now - before < LinkConfig().silent_s + 1.0


def test_a_link_without_business_is_closed_after_a_while() -> None:
    cast = Cast(("n1", "n2"), link=LinkConfig(idle_close_s=12.0)).start()
    consumer, publisher = consume(cast, "n2"), cast.client("n1")
    publisher.publish("t", b"x")
    delivered = consumer.expect(Deliver)
    cast.until(lambda: linked(cast, "n1", "n2"))
    consumer.session.finish(1, delivered.log, 1, 2)
    consumer.say()
    cast.until(lambda: not linked(cast, "n1", "n2"), within_s=40.0)
    publisher.publish("t", b"y", request=2)
    consumer.expect(Deliver, 2)


@pure_only
def test_a_node_that_cannot_dial_asks_the_other_to(monkeypatch: pytest.MonkeyPatch) -> None:
    cast = Cast(("n1", "n2")).start()
    consumer, publisher = consume(cast, "n2"), cast.client("n1")
    streams = cast.engine("n1")._streams
    dial = streams.dial
    # As behind a gateway that lets datagrams pass both ways and streams only one
    monkeypatch.setattr(streams, "dial", lambda now, _, role: dial(now, ("10.99.0.1", 1), role))
    publisher.publish("t", b"x")
    consumer.expect(Deliver)
    link = cast.engine("n1").links.get("n2")
    assert link is not None
    assert link.dialler == "n2"


def test_members_of_the_own_zone_are_served_first() -> None:
    cast = Cast(("n1", "n2", "n3"), zones={"n1": "a", "n2": "b", "n3": "a"}).start()
    far, near = consume(cast, "n2"), consume(cast, "n3")
    publisher = cast.client("n1")
    cast.until(lambda: len(cast.engine("n1").routing.interested("t", "c")) == 2)
    for request in range(1, 31):
        publisher.publish("t", b"x", request=request)
        publisher.expect(Confirmed, request)
    cast.run(1.0)
    assert sum(frame.stop - frame.start for frame in near.all(Deliver)) > sum(
        frame.stop - frame.start for frame in far.all(Deliver)
    )


def test_the_end_of_a_link_is_an_event_that_counts_its_leases() -> None:
    cast = Cast(("n1", "n2")).start()
    consumer, publisher = consume(cast, "n2"), cast.client("n1")
    publisher.publish("t", b"one", b"two")
    consumer.expect(Deliver)
    cast.fleet.crash("n2")

    def downs() -> list[events.LinkDown]:
        return [event for _, host, event in cast.fleet.events if host == "n1" and isinstance(event, events.LinkDown)]

    cast.until(lambda: bool(downs()))
    assert (downs()[0].name, downs()[0].leases) == ("n2", 2)


def test_a_node_whose_clock_went_back_begins_with_a_later_epoch_than_the_mesh_remembers() -> None:
    cast = Cast(("n1", "n2")).start()
    before = cast.engine("n2").epoch
    cast.fleet.crash("n2")
    cast.fleet.hosts["n2"].skew(-10_000.0)
    cast.fleet.restart("n2", "lost")
    cast.until(lambda: cast.engine("n2").ready and cast.engine("n1").membership.members["n2"].epoch > before)
    consumer, publisher = consume(cast, "n1"), cast.client("n2")
    publisher.publish("t", b"x")
    confirmed = publisher.expect(Confirmed)
    assert confirmed.log.epoch_ms == cast.engine("n2").epoch.ms > before.ms
    consumer.expect(Deliver)


def test_peers_that_never_were_members_leave_nothing_in_the_broker() -> None:
    engine = Peer("node", name="ghost0").engine
    for number in range(1, 20):
        ghost = Peer("node", name=f"ghost{number}", engine=engine)
        assert engine.links.get(ghost.name) is not None
        ghost.lost()
    assert list(engine.broker._registry.peers) == ["ghost0"], "its link is up"
