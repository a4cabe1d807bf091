"""Sealed streams, looked at from both ends and from the wire between them."""

from __future__ import annotations

import random
from itertools import count

import pytest

from meshq.config import LinkConfig
from meshq.errors import RemoteProtocolError
from meshq.link.client import ClientSession
from meshq.link.secure import AcceptorGuard, DiallerGuard
from meshq.link.session import Session
from meshq.names import Epoch, LogId
from meshq.wire.codec import encode
from meshq.wire.frames import MAGIC, SEALED_MAGIC, Deliver, Fin, Goodbye, Hello
from meshq.wire.keyring import PLAIN, Key, Keyring, Secrecy

CONFIG = LinkConfig()
LOG = LogId("a", 1, 2, 1, 0)
ONE, TWO = Key(bytes([1]) * 32), Key(bytes([2]) * 32)
SEEDS = count(1)


def hello(name: str) -> Hello:
    return Hello(1, 1, [], "meshq", "node", name, Epoch(1, 2), "", {})


def secrecy(*keys: Key) -> Secrecy:
    return Secrecy(Keyring(keys), random.Random(next(SEEDS)).randbytes)


def dialler(*keys: Key) -> Session:
    held = secrecy(*keys)
    return Session(CONFIG, 0.0, hello("a"), DiallerGuard(held.ring.in_use, held.entropy))


def acceptor(*keys: Key, takes_plain: bool = False) -> Session:
    return Session(CONFIG, 0.0, None, AcceptorGuard(secrecy(*keys), takes_plain=takes_plain))


def said(session: Session) -> bytes:
    return b"".join(session.output(0.0))


def pair(one: Session, other: Session) -> None:
    other.receive(0.0, said(one))
    one.receive(0.0, said(other))
    assert other.receive(0.0, said(one)) == [hello("a")]
    other.welcome(hello("b"))
    assert one.receive(0.0, said(other)) == [hello("b")]


def test_both_ends_know_the_key_and_the_wire_shows_nothing() -> None:
    one, other = dialler(ONE), acceptor(TWO, ONE)
    wire = [said(one)]
    assert wire[0].startswith(SEALED_MAGIC + bytes.fromhex(ONE.name))
    assert one.key == other.key == ""
    other.receive(0.0, wire[0])
    wire.append(said(other))
    one.receive(0.0, wire[1])
    wire.append(said(one))
    assert other.receive(0.0, wire[2]) == [hello("a")]
    assert one.key == other.key == ONE.name
    assert len(wire[0]) >= len(wire[1])
    assert all(b"meshq" not in data for data in wire)


def test_frames_go_both_ways_however_they_are_cut() -> None:
    one, other = dialler(ONE), acceptor(ONE)
    pair(one, other)
    frames = [Deliver(1, LOG, 1, 2, 0, [], random.Random(size).randbytes(size)) for size in (0, 10, 65_519, 300_000)]
    for frame in frames:
        one.send(frame)
    data, got = said(one), []
    rng = random.Random(5)
    at = 0
    while at < len(data):
        step = rng.choice((1, 7, 1000, 70_000))
        got += other.receive(0.0, data[at : at + step])
        at += step
    assert got == frames
    other.send(Fin(1, 1, [(LOG, 1, 2)]))
    assert one.receive(0.0, said(other)) == [Fin(1, 1, [(LOG, 1, 2)])]


def test_a_handshake_cut_anywhere_leads_to_the_same() -> None:
    one, other = dialler(ONE), acceptor(ONE)
    for turn in (one, other, one):
        to = other if turn is one else one
        heard = [frame for byte in said(turn) for frame in to.receive(0.0, bytes((byte,)))]
    assert heard == [hello("a")]


def test_what_was_altered_repeated_or_left_out_ends_the_stream() -> None:
    for spoil in ("alter", "repeat", "leave out"):
        one, other = dialler(ONE), acceptor(ONE)
        pair(one, other)
        records = []
        for number in (1, 2, 3):
            one.send(Fin(1, number, []))
            records.append(said(one))
        if spoil == "alter":
            records[1] = records[1][:-1] + bytes([records[1][-1] ^ 1])
        elif spoil == "repeat":
            records[1] = records[0]
        else:
            del records[1]
        assert other.receive(0.0, records[0]) == [Fin(1, 1, [])]
        with pytest.raises(RemoteProtocolError) as caught:
            other.receive(0.0, records[1])
        assert caught.value.code == "BAD_SEAL"


def test_a_recorded_stream_says_nothing_a_second_time() -> None:
    one, other = dialler(ONE), acceptor(ONE)
    first = said(one)
    other.receive(0.0, first)
    one.receive(0.0, said(other))
    second = said(one)
    assert other.receive(0.0, second)
    again = acceptor(ONE)
    assert again.receive(0.0, first) == []
    with pytest.raises(RemoteProtocolError):
        again.receive(0.0, second)


def test_without_the_key_a_stream_is_refused_in_words_that_both_sides_can_read() -> None:
    one, other = dialler(TWO), acceptor(ONE)
    with pytest.raises(RemoteProtocolError, match=f"key {TWO.name} is not known here, key {ONE.name} is") as caught:
        other.receive(0.0, said(one))
    other.goodbye(caught.value.code, str(caught.value))
    (goodbye,) = one.receive(0.0, said(other))
    assert goodbye == Goodbye("KEY", str(caught.value))
    assert not one.up


def test_a_plain_stream_is_refused_where_a_key_is_wanted() -> None:
    other = acceptor(ONE)
    with pytest.raises(RemoteProtocolError, match="this mesh wants a key") as caught:
        other.receive(0.0, MAGIC)
    other.goodbye(caught.value.code, str(caught.value))
    plain = Session(CONFIG, 0.0, hello("a"))
    assert plain.receive(0.0, said(other)) == [Goodbye("KEY", str(caught.value))]


def test_a_plain_stream_is_taken_where_it_may_be_and_is_known_to_be_plain() -> None:
    other, plain = acceptor(ONE, PLAIN, takes_plain=True), Session(CONFIG, 0.0, hello("a"))
    assert other.receive(0.0, said(plain)) == [hello("a")]
    other.welcome(hello("b"))
    assert plain.receive(0.0, said(other)) == [hello("b")]
    assert other.key == ""


def test_a_node_without_keys_says_so_to_one_that_seals() -> None:
    one, bare = dialler(ONE), Session(CONFIG, 0.0)
    with pytest.raises(RemoteProtocolError, match="this node has none") as caught:
        bare.receive(0.0, said(one))
    bare.goodbye(caught.value.code, str(caught.value))
    assert one.receive(0.0, said(bare)) == [Goodbye("KEY", str(caught.value))]


def test_whoever_is_between_two_may_refuse_in_plain_and_say_nothing_else() -> None:
    one = dialler(ONE)
    said(one)
    assert one.receive(0.0, MAGIC + encode(Goodbye("FENCED", "be gone"))) == [Goodbye("REFUSED", "be gone")]
    other = dialler(ONE)
    with pytest.raises(RemoteProtocolError, match="in plain"):
        other.receive(0.0, MAGIC + encode(hello("b")))


@pytest.mark.parametrize("opening", [b"GET / HTTP/1.1\r\n", b"  V2", b"\x16\x03\x01\x02\x00", b"\xf1MQ2", b"\x00" * 8])
def test_what_is_no_stream_of_ours_is_refused_as_before(opening: bytes) -> None:
    for session in (acceptor(ONE), dialler(ONE)):
        with pytest.raises(RemoteProtocolError) as caught:
            session.receive(0.0, opening)
        assert caught.value.code == "BAD_MAGIC"


def test_a_client_with_keys_seals_with_the_first_real_one() -> None:
    client = ClientSession(CONFIG, 0.0, epoch=Epoch(1, 1), secrecy=secrecy(PLAIN, ONE))
    other = acceptor(PLAIN, ONE, takes_plain=True)
    other.receive(0.0, b"".join(client.output(0.0)))
    client.receive(0.0, said(other))
    assert [frame.role for frame in other.receive(0.0, b"".join(client.output(0.0))) if isinstance(frame, Hello)] == [
        "client"
    ]
    assert other.key == ONE.name
