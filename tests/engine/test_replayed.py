"""Everything that a member ever got by datagram is sent to it again: as it is, and after its restart."""

from __future__ import annotations

from meshq.machine.effects import Address
from meshq.machine.events import MemberSuspected
from meshq.wire.frames import Confirmed, Subscribed
from meshq.wire.keyring import Key, Keyring
from tests.engine.cast import Cast
from tests.pure import pure_only

NAMES = ("n1", "n2", "n3", "n4")


def recorded() -> tuple[Cast, list[tuple[bytes, Address]]]:
    """A mesh in which topics were made and deleted and n4 has left, and what n1 was sent meanwhile."""
    cast = Cast(NAMES, keys=dict.fromkeys(NAMES, Keyring([Key(bytes(range(32)))])))
    sent: list[tuple[bytes, Address]] = []
    cast.fleet.start_all()
    cast.until(lambda: cast.fleet.hosts["n1"].machine is not None)
    engine = cast.engine("n1")
    datagram = engine.datagram

    def record(now: float, data: bytes, source: Address) -> None:
        sent.append((data, source))
        datagram(now, data, source)

    engine.datagram = record  # type: ignore[method-assign]
    cast.start()
    client = cast.client("n2")
    client.publish("letters", b"x")
    client.session.subscribe(1, "letters", "readers", 10, 1000)
    client.say()
    client.expect(Confirmed)
    client.expect(Subscribed)
    client.session.ask(1, "delete", {"topic": "letters"}, 1000)
    client.say()
    cast.run(3.0)
    cast.fleet.hosts["n4"].call("stop")
    cast.run(15.0)
    engine.datagram = datagram  # type: ignore[method-assign]
    return cast, sent


def again(cast: Cast, sent: list[tuple[bytes, Address]]) -> None:
    for data, source in sent:
        cast.fleet.hosts["n1"].call("datagram", data, source)


@pure_only
def test_a_member_takes_nothing_twice() -> None:
    cast, sent = recorded()
    engine = cast.engine("n1")
    before, packets = engine.view(), engine.membership.counters.packets
    replayed = engine.counters.packets_replayed
    again(cast, sent)
    cast.run(0.001)
    assert engine.counters.packets_replayed == replayed + len(sent) > 50
    assert engine.view() == before
    assert engine.membership.counters.packets - packets <= 2  # what others sent in that millisecond


@pure_only
def test_a_member_that_forgot_what_it_got_comes_to_the_same_view() -> None:
    cast, sent = recorded()
    cast.fleet.hosts["n1"].crash()
    cast.fleet.hosts["n1"].restart()
    cast.until(lambda: len(cast.engine("n1").membership.alive()) == 2)
    cast.run(1.0)
    again(cast, sent)
    cast.run(0.01)
    assert cast.engine("n1").counters.packets_replayed < len(sent)
    cast.run(30.0)
    for name in ("n1", "n2", "n3"):
        engine = cast.engine(name)
        assert sorted(member.name for member in engine.membership.alive()) == sorted({"n1", "n2", "n3"} - {name})
        assert list(engine.routing.topics()) == []
    suspected = [event.name for _, _, event in cast.fleet.events if isinstance(event, MemberSuspected)]
    assert {*suspected} <= {"n4", "n1"}  # the ghost of the one that left, and the one that was killed
