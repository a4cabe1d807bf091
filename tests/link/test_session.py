"""Two sessions joined in memory: every exchange is looked at from both ends."""

from __future__ import annotations

import pytest

from meshq.config import LinkConfig
from meshq.errors import RemoteProtocolError
from meshq.link.client import ClientSession
from meshq.link.session import HELLO_BYTES_MAX, Session
from meshq.names import Epoch, LogId
from meshq.wire.codec import encode
from meshq.wire.frames import MAGIC, Deliver, Fin, Goodbye, Hello, Ping, Publish, Unsubscribe

CONFIG = LinkConfig()
LOG = LogId("a", 1, 2, 1, 0)


def hello(name: str, *, version: int = 1, least: int = 1, role: str = "node") -> Hello:
    return Hello(version, least, [], "meshq", role, name, Epoch(1, 2), "", {})


def pair() -> tuple[Session, Session]:
    dialler, acceptor = Session(CONFIG, 0.0, hello("a")), Session(CONFIG, 0.0)
    assert acceptor.receive(0.0, b"".join(dialler.output(0.0))) == [hello("a")]
    acceptor.welcome(hello("b"))
    assert dialler.receive(0.0, b"".join(acceptor.output(0.0))) == [hello("b")]
    return dialler, acceptor


def test_a_session_is_up_once_both_sides_have_said_hello() -> None:
    dialler, acceptor = pair()
    assert dialler.up
    assert acceptor.up
    assert dialler.peer == hello("b")


def test_a_stream_cut_anywhere_yields_the_same_frames() -> None:
    data = MAGIC + encode(hello("a")) + encode(Fin(1, 1, [(LOG, 1, 9)])) + encode(Publish(1, "t", 1, b"\x81\x41x"))
    for cut in range(1, len(data)):
        session = Session(CONFIG, 0.0)
        frames = session.receive(0.0, data[:cut]) + session.receive(0.0, data[cut:])
        assert [type(frame) for frame in frames] == [Hello, Fin, Publish]


def test_a_large_frame_in_the_same_read_as_the_hello_is_accepted() -> None:
    body = bytes(2 * HELLO_BYTES_MAX)
    data = MAGIC + encode(hello("a")) + encode(Deliver(1, LOG, 1, 2, 0, [], body))
    frames = Session(CONFIG, 0.0).receive(0.0, data)
    assert [type(frame) for frame in frames] == [Hello, Deliver]


def test_a_first_frame_larger_than_a_hello_may_be_is_refused_before_it_is_read() -> None:
    session = Session(CONFIG, 0.0)
    with pytest.raises(RemoteProtocolError) as caught:
        session.receive(0.0, MAGIC + (HELLO_BYTES_MAX + 1).to_bytes(4, "big"))
    assert caught.value.code == "TOO_BIG"


@pytest.mark.parametrize("opening", [b"GET / HTTP/1.1\r\n", b"  V2", b"\x16\x03\x01\x02\x00", b"\xf1MQ2", b"\x00" * 8])
def test_a_stream_that_does_not_begin_as_a_link_is_refused(opening: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        Session(CONFIG, 0.0).receive(0.0, opening)
    assert caught.value.code == "BAD_MAGIC"


def test_frames_before_the_hello_are_refused_but_goodbye_is_not() -> None:
    with pytest.raises(RemoteProtocolError):
        Session(CONFIG, 0.0).receive(0.0, MAGIC + encode(Ping(1)) + encode(Fin(1, 1, [])))
    assert Session(CONFIG, 0.0).receive(0.0, MAGIC + encode(Goodbye("LABEL", "no"))) == [Goodbye("LABEL", "no")]


@pytest.mark.parametrize(("version", "least", "fits"), [(1, 1, True), (2, 1, True), (3, 2, False), (0, 0, False)])
def test_peers_speak_the_highest_common_version_or_part(version: int, least: int, fits: bool) -> None:
    data = MAGIC + encode(hello("a", version=version, least=least))
    session = Session(CONFIG, 0.0)
    if fits:
        assert session.receive(0.0, data)
    else:
        with pytest.raises(RemoteProtocolError) as caught:
            session.receive(0.0, data)
        assert caught.value.code == "VERSION"


def test_a_second_hello_is_refused() -> None:
    dialler, _ = pair()
    with pytest.raises(RemoteProtocolError):
        dialler.receive(0.0, encode(hello("b")))


def test_a_ping_leaves_only_when_nothing_else_did_and_is_answered() -> None:
    dialler, acceptor = pair()
    dialler.tick(CONFIG.heartbeat_s - 0.1)
    assert not dialler.output(0.5)
    dialler.tick(CONFIG.heartbeat_s)
    ping = b"".join(dialler.output(1.0))
    assert acceptor.receive(1.0, ping) == []
    assert dialler.receive(1.1, b"".join(acceptor.output(1.0))) == []
    assert dialler.heard_at == 1.1


def test_a_stream_that_is_silent_for_too_long_is_dead_and_says_when() -> None:
    dialler, _ = pair()
    assert dialler.dead(CONFIG.silent_s - 0.01) is None
    assert dialler.dead(CONFIG.silent_s) == "silent"
    assert dialler.deadline() <= CONFIG.silent_s


def test_a_stream_without_a_hello_is_given_up() -> None:
    session = Session(CONFIG, 3.0)
    assert session.deadline() == 3.0 + CONFIG.hello_timeout_s
    assert session.dead(session.deadline()) == "no hello"


def test_a_goodbye_instead_of_a_hello_can_be_read_by_the_dialler() -> None:
    acceptor = Session(CONFIG, 0.0)
    acceptor.receive(0.0, MAGIC + encode(hello("a")))
    acceptor.goodbye("LABEL", "no")
    assert Session(CONFIG, 0.0, hello("a")).receive(0.0, b"".join(acceptor.output(0.0))) == [Goodbye("LABEL", "no")]


def test_nothing_is_sent_or_read_after_goodbye() -> None:
    dialler, acceptor = pair()
    dialler.goodbye("IDLE", "nothing to do")
    dialler.send(Fin(1, 1, []))
    assert acceptor.receive(0.0, b"".join(dialler.output(0.0))) == [Goodbye("IDLE", "nothing to do")]
    assert dialler.receive(0.0, encode(Fin(1, 1, []))) == []


def test_the_finishes_of_one_turn_travel_in_one_frame_and_neighbours_are_joined() -> None:
    client, node = ClientSession(CONFIG, 0.0, epoch=Epoch(1, 1)), Session(CONFIG, 0.0)
    node.receive(0.0, b"".join(client.output(0.0)))
    client.finish(7, LOG, 1, 2)
    client.finish(7, LOG, 2, 5)
    client.finish(7, LOG, 9, 10)
    client.unsubscribe(7)
    frames = node.receive(0.0, b"".join(client.output(0.0)))
    assert frames == [Fin(7, 1, [(LOG, 1, 5), (LOG, 9, 10)]), Unsubscribe(7)]
