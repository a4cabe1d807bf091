"""Who asks and does not read the answers fills no node: not with tables of members, not with statistics."""

from __future__ import annotations

from typing import Any

import pytest

from meshq.config import LinkConfig
from meshq.engine.streams import REPLIES_BYTES_MAX
from meshq.names import Epoch
from meshq.wire import gossip
from meshq.wire.frames import Ask, Goodbye, Gossip
from meshq.wire.gossip import Head, Record
from tests.engine.peer import EPOCH, Peer

MEMBERS = 2_000
ANSWER_BYTES_MAX = 256 * 1024


def row(number: int) -> bytes:
    address = (f"10.1.{number // 250}.{1 + number % 250}", 4155)
    return gossip.encode_record(Record(0, f"g{number}", *address, 0, 0, Epoch(7, number), 0, 0, "0.1.0", "", Head()))


def join(number: int) -> Gossip:
    return Gossip(gossip.join(gossip.Join(number, "peer", EPOCH, "", 4155, "", 0, False)))


def ask(number: int) -> Gossip:
    return Gossip(gossip.ask(number, "peer", [0] * 64))


@pytest.mark.parametrize("request_", [join, ask])
def test_tables_that_are_not_read_are_not_written_for_ever(request_: Any) -> None:
    peer = Peer("gossip")
    peer.say(Gossip(gossip.rows("peer", [row(number) for number in range(MEMBERS)])))
    assert len(peer.engine.membership.members) == MEMBERS + 1
    assert peer.say(request_(0)) > 50_000
    in_one_turn = peer.say(*(request_(number) for number in range(300)))
    peer.unread(LinkConfig().write_buffer_bytes)
    later = sum(peer.say(request_(number)) for number in range(300))
    assert in_one_turn + later < 2 * REPLIES_BYTES_MAX + 2 * ANSWER_BYTES_MAX
    assert peer.engine.counters.packets_dropped > 400
    peer.unread(0)
    assert peer.say(request_(1)) > 50_000, "read, it is answered again"


def test_a_client_that_asks_and_does_not_read_loses_its_connection() -> None:
    peer = Peer("gossip")
    peer.say(Gossip(gossip.rows("peer", [row(number) for number in range(MEMBERS)])))
    client = Peer("client")
    client.engine.membership.prefill(1.0, peer.engine.membership.members.values())
    client.unread(LinkConfig().write_buffer_bytes)
    written = sum(client.say(Ask(number, "members", {}, 1000)) for number in range(100) if not client.over)
    assert client.over
    assert written < REPLIES_BYTES_MAX + 8 * ANSWER_BYTES_MAX
    assert [frame.code for frame in client.said if isinstance(frame, Goodbye)] == ["SLOW"]


def test_a_peer_for_which_too_much_waits_loses_its_stream() -> None:
    peer = Peer("client")
    peer.unread(LinkConfig().unread_bytes_max)
    assert peer.written() == 0
    assert not peer.over
    peer.unread(LinkConfig().unread_bytes_max + 1)
    peer.written()
    assert peer.over
