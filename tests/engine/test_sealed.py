"""A mesh with a key: everything between its nodes is sealed, and nobody without the key gets a foot into the door."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from meshq.machine.events import Trouble
from meshq.wire.frames import Confirmed, Deliver, Goodbye, Hello, Subscribed
from meshq.wire.keyring import PLAIN, WANTED, Key, Keyring, Secrecy
from tests.engine.cast import Cast
from tests.pure import pure_only

ONE, TWO = Key(bytes([1]) * 32), Key(bytes([2]) * 32)
NAMES = ("n1", "n2", "n3")


def told(cast: Cast, name: str, kind: Callable[..., Any]) -> list[Any]:
    """The events of that kind that the node told."""
    return [event for _, who, event in cast.fleet.events if who == name and isinstance(event, kind)]  # type: ignore[arg-type]


def overheard(cast: Cast) -> list[bytes]:
    """Everything that comes to a node from another one, from now on."""
    heard: list[bytes] = []

    def listen(name: str) -> None:
        engine = cast.engine(name)
        datagram, received = engine.datagram, engine.received

        def note_datagram(now: float, data: bytes, source: Any) -> None:
            heard.append(data)
            datagram(now, data, source)

        def note_received(now: float, stream: int, data: bytes) -> None:
            if (found := engine._streams.get(stream)) is not None and found.address[0]:
                heard.append(data)
            received(now, stream, data)

        engine.datagram, engine.received = note_datagram, note_received  # type: ignore[method-assign]

    for name in NAMES:
        listen(name)
    return heard


@pure_only
def test_messages_cross_a_sealed_mesh_and_nothing_of_them_is_seen_on_the_way() -> None:
    cast = Cast(NAMES, keys=dict.fromkeys(NAMES, Keyring([ONE]))).start()
    heard = overheard(cast)
    consumer = cast.client("n1")
    consumer.session.subscribe(1, "letters", "readers", 10, 10_000)
    consumer.say()
    consumer.expect(Subscribed)
    producer = cast.client("n3")
    producer.publish("letters", b"a secret message")
    producer.expect(Confirmed)
    assert b"a secret message" in consumer.expect(Deliver).body
    between = [stream.session for stream in cast.engine("n1")._streams.all() if stream.address[0]]
    assert {session.key for session in between if session is not None} == {ONE.name}
    assert len(heard) > 10
    assert not [data for data in heard if b"secret" in data or b"letters" in data or b"meshq" in data]


def ended(cast: Cast, name: str) -> str:
    """Why that node ended by itself."""
    [(_, stop)] = cast.fleet.hosts[name].stops
    return str(stop.error)


def test_a_node_whose_key_in_use_is_unknown_at_its_seed_gets_in_with_the_last_one_of_its_ring() -> None:
    ring = Keyring([*(Key(bytes([number]) * 32) for number in range(10, 17)), ONE])
    cast = Cast(("n1", "n2"), keys={"n1": Keyring([ONE]), "n2": ring})
    cast.fleet.start_all()
    cast.until(lambda: cast.engine("n2").membership.joined, within_s=1.0)


@pytest.mark.parametrize(
    ("ring", "reason", "line"),
    [
        (None, WANTED, WANTED),
        (Keyring([TWO]), f"key {TWO.name} is not known here", f"key {TWO.name} is not known here"),
        (Keyring([PLAIN, TWO]), f"key {TWO.name} is not known here", WANTED),
    ],
)
def test_a_node_without_the_key_stays_outside_and_both_sides_say_why(
    ring: Keyring | None, reason: str, line: str
) -> None:
    keys = {"n1": Keyring([ONE]), "n2": Keyring([ONE])} | ({"n3": ring} if ring is not None else {})
    cast = Cast(NAMES, keys=keys)
    cast.fleet.start_all()
    cast.until(lambda: cast.fleet.hosts["n3"].stopped is not None)
    cast.run(5.0)
    assert reason in ended(cast, "n3")
    assert [event for event in told(cast, "n1", Trouble) if line in event.text]
    assert [*cast.engine("n1").membership.members] == ["n1", "n2"]


def test_a_node_with_a_key_at_a_mesh_without_says_so_as_well() -> None:
    cast = Cast(("n1", "n2"), keys={"n2": Keyring([ONE])})
    cast.fleet.start_all()
    cast.until(lambda: cast.fleet.hosts["n2"].stopped is not None)
    assert "this node has none" in ended(cast, "n2")
    assert [event for event in told(cast, "n1", Trouble) if "this node has none" in event.text]


def test_a_client_of_the_same_host_needs_no_key_and_one_from_elsewhere_does() -> None:
    cast = Cast(("n1",), keys={"n1": Keyring([ONE])})
    cast.fleet.start_all()
    cast.client("n1").expect(Hello)
    assert cast.client("n1", remote=True).expect(Goodbye).text == WANTED
    sealed = cast.client("n1", remote=True, secrecy=Secrecy(Keyring([ONE]), Random(1).randbytes))
    sealed.expect(Hello)
    sealed.publish("letters", b"x")
    sealed.expect(Confirmed)
    other = cast.client("n1", remote=True, secrecy=Secrecy(Keyring([TWO]), Random(1).randbytes))
    assert TWO.name in other.expect(Goodbye).text


def test_old_and_new_key_and_plain_meet_in_one_mesh() -> None:
    for rings in (
        (Keyring([ONE]), Keyring([ONE, TWO]), Keyring([ONE, TWO])),
        (Keyring([ONE, TWO]), Keyring([TWO, ONE]), Keyring([TWO, ONE])),
        (Keyring([PLAIN, ONE]), Keyring([ONE, PLAIN]), Keyring([ONE, PLAIN])),
    ):
        Cast(NAMES, keys=dict(zip(NAMES, rings, strict=True))).start()


def test_a_node_that_has_a_key_ready_lives_in_a_mesh_without() -> None:
    Cast(("n1", "n2"), keys={"n2": Keyring([PLAIN, ONE])}).start()
    Cast(("n1", "n2"), keys={"n1": Keyring([PLAIN, ONE])}).start()
