"""The packets of membership on the wire: the layouts drawn in the module, byte for byte, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from meshq.errors import RemoteProtocolError
from meshq.names import COUNT_MAX, Epoch
from meshq.wire import gossip, strict
from meshq.wire.gossip import Answer, Ask, Claim, Head, Join, News, Record, Refusal, Rows, Welcome
from meshq.wire.prefix import PACKET_BYTES_MAX

BIG = (1 << 64) - 1
EPOCH = Epoch(1_750_000_000_000, BIG)
HEAD = Head(1, 2, 3, 4, BIG)
RECORD = Record(0, "a", "10.0.0.1", 4155, 4151, 0, EPOCH, 3, 6000, "0.1", "z", HEAD, {"level": "memory"})
CLAIM = Claim(1, "a", EPOCH, 3, "b")
NEWS = News("a", EPOCH, HEAD)
RUMOURS = [gossip.encode_record(RECORD), gossip.encode_claim(CLAIM), gossip.encode_news(NEWS)]
RECORD_ROW = [0, "a", "10.0.0.1", 4155, 4151, 0, *EPOCH, 3, 6000, "0.1", "z", list(HEAD), {"level": "memory"}]
CLAIM_ROW = [4, "a", *EPOCH, 3, "b", {}]
NEWS_ROW = [7, "a", *EPOCH, list(HEAD), {}]
ROWS = [RECORD_ROW, CLAIM_ROW, NEWS_ROW]

DRAWN: list[tuple[bytes, list[Any], gossip.Packet]] = [
    (
        gossip.ping(1, "a", "b", BIG, 7, 0, []),
        [1, 1, "a", "b", BIG, 7, 0, [], {}],
        gossip.Ping(1, "a", "b", BIG, 7, 0, []),
    ),
    (
        gossip.ping(1 << 31, "a", "b", 0, 300, 7, RUMOURS),
        [1, 1 << 31, "a", "b", 0, 300, 7, ROWS, {}],
        gossip.Ping(1 << 31, "a", "b", 0, 300, 7, [RECORD, CLAIM, NEWS]),
    ),
    (gossip.ack(24, "a", 255, RUMOURS[1:2]), [2, 24, "a", 255, [CLAIM_ROW], {}], gossip.Ack(24, "a", 255, [CLAIM])),
    (gossip.ping_req(256, "a", "b", 500, []), [3, 256, "a", "b", 500, [], {}], gossip.PingReq(256, "a", "b", 500, [])),
    (gossip.nack(65_535, "a"), [4, 65_535, "a", {}], gossip.Nack(65_535, "a")),
    (gossip.gossip("a", RUMOURS * 10), [5, "a", ROWS * 10, {}], gossip.Gossip("a", [RECORD, CLAIM, NEWS] * 10)),
    (
        gossip.join(Join(1, "a", EPOCH, "", 4155, "10.0.0.2", 4155, False)),
        [6, 1, "a", *EPOCH, "", 4155, "10.0.0.2", 4155, False, {}],
        Join(1, "a", EPOCH, "", 4155, "10.0.0.2", 4155, False),
    ),
    (
        gossip.welcome(1, "a", "10.0.0.9", EPOCH, True, RUMOURS[:1]),
        [7, 1, "a", "10.0.0.9", *EPOCH, True, [RECORD_ROW], {}],
        Welcome(1, "a", "10.0.0.9", EPOCH, True, [RECORD]),
    ),
    (
        gossip.refusal(Refusal(1, "a", "NAME", "::1", 4155)),
        [8, 1, "a", "NAME", "::1", 4155, {}],
        Refusal(1, "a", "NAME", "::1", 4155),
    ),
    (
        gossip.ask(1, "a", range(64)),
        [9, 1, "a", b"".join(n.to_bytes(8, "big") for n in range(64)), {}],
        Ask(1, "a", tuple(range(64))),
    ),
    (gossip.answer(1, "a", BIG, False, []), [10, 1, "a", BIG, False, [], {}], Answer(1, "a", BIG, False, [])),
    (gossip.rows("a", RUMOURS[:1]), [11, "a", [RECORD_ROW], {}], Rows("a", [RECORD])),
    (gossip.loop(7, "a"), [12, 7, "a", {}], gossip.Loop(7, "a")),
    (
        gossip.doubt(gossip.Doubt(7, "a", "b", EPOCH, 3)),
        [13, 7, "a", "b", *EPOCH, 3, {}],
        gossip.Doubt(7, "a", "b", EPOCH, 3),
    ),
    (gossip.account(7, "a", RUMOURS[:1]), [14, 7, "a", [RECORD_ROW], {}], gossip.Account(7, "a", [RECORD])),
]


@pytest.mark.parametrize(("encoded", "drawn", "packet"), DRAWN)
def test_a_packet_is_the_array_that_is_drawn(encoded: bytes, drawn: list[Any], packet: gossip.Packet) -> None:
    assert encoded == strict.encode(drawn)
    assert gossip.decode(encoded) == packet
    assert gossip.decode(strict.decode(encoded)) == packet


def test_the_longest_rumour_fits_into_every_packet() -> None:
    record = Record(
        0, "n" * 64, "fd00:1111:2222:3333:4444:5555:6666:7777", 65_535, 65_535, 65_535, Epoch(COUNT_MAX, BIG),
        COUNT_MAX, BIG,
        "v" * 32, "\N{GRINNING FACE}" * 64, Head(BIG, BIG, BIG, BIG, BIG), {"k": b"o" * 500},
    )  # fmt: skip
    packet = gossip.ping(BIG, "s" * 64, "t" * 64, BIG, BIG, gossip.ROUNDS - 1, [gossip.encode_record(record)])
    assert len(packet) <= PACKET_BYTES_MAX
    assert isinstance(gossip.decode(packet), gossip.Ping)


def test_options_of_later_versions_are_carried_by_records_and_let_pass_elsewhere() -> None:
    ping = gossip.decode(strict.encode([1, 1, "a", "b", 0, 0, 0, [[*CLAIM_ROW[:-1], {"new": 1}]], {"new": [1]}]))
    assert ping == gossip.Ping(1, "a", "b", 0, 0, 0, [CLAIM])
    rows = gossip.decode(strict.encode([11, "a", [[*RECORD_ROW[:-1], {"new": {"x": [1]}}]], {}]))
    assert isinstance(rows, Rows)
    assert rows.records[0].options == {"new": {"x": [1]}}


@pytest.mark.parametrize(
    "claim", [Claim(1, "m", Epoch(COUNT_MAX + 1, 0), 0, "m"), Claim(1, "m", EPOCH, COUNT_MAX + 1, "m")]
)
def test_numbers_that_leave_a_node_no_higher_one_are_refused(claim: Claim) -> None:
    with pytest.raises(RemoteProtocolError, match="below 2"):
        gossip.decode(gossip.gossip("m", [gossip.encode_claim(claim)]))


def test_kinds_of_later_versions_are_nothing() -> None:
    assert gossip.decode(strict.encode([31, "whatever"])) is None
    assert gossip.decode(strict.encode([5, "a", [[8, "a rumour of a later version"]], {}])) == gossip.Gossip("a", [])


@pytest.mark.parametrize(
    "fields",
    [
        None, {}, [], ["1"], [True, 1], [1], [1, 2, "a", "b", 0, 0, 0, []], [1, -1, "a", "b", 0, 0, 0, [], {}],
        [1, True, "a", "b", 0, 0, 0, [], {}], [1, 1.0, "a", "b", 0, 0, 0, [], {}], [1, 1, "a b", "b", 0, 0, 0, [], {}],
        [1, 1, "", "b", 0, 0, 0, [], {}], [1, 1, "a" * 65, "b", 0, 0, 0, [], {}], [1, 1, b"a", "b", 0, 0, 0, [], {}],
        [1, 1, "a", "b", 0, 0, 0, {}, {}], [1, 1, "a", "b", 0, 0, 0, [], []], [1, 1, "a", "b", 0, 0, 0, [1], {}],
        [1, 1, "a", "b", 0, 0, 0, [[]], {}], [1, 1, "a", "b", 0, 0, 0, [[-1]], {}],
        [1, 1, "a", "b", 0, 0, 0, [[True]], {}],
        [1, 1, "a", "b", 0, 0, 0, [[4, "a"]], {}], [1, 1, "a", "b", 0, 0, 0, [[7, "a"]], {}],
        [1, 1, "a", "b", 0, 0, 0, [], {"k": "x" * 600}], [6, 1, "a", 1, 1, "", 0, "", 0, False, {}],
        [6, 1, "a", 1, 1, "not-numeric", 1, "", 0, False, {}], [6, 1, "a", 1, 1, "", 1, "", 0, 1, {}],
        [6, 1, "a", 1, 1, "224.0.0.1", 1, "", 0, False, {}], [9, 1, "a", b"x" * 511, {}], [9, 1, "a", [0] * 64, {}],
        [11, "a", [CLAIM_ROW], {}], [8, 1, "a", "A CODE MUCH TOO LONG", "", 0, {}],
    ],
)  # fmt: skip
def test_what_is_not_as_drawn_is_refused(fields: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        gossip.decode(strict.encode(fields))


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, 4), (2, "0.0.0.0"), (2, "::"), (2, "seed.example.net"), (2, 5), (3, 0), (3, 65_536), (6, -1),
     (6, COUNT_MAX + 1), (8, 1 << 64),
     (9, -1), (10, "v" * 33), (11, "z" * 65), (12, [1, 2, 3, 4]), (12, [1, 2, 3, 4, -1]), (13, None),
     (13, {"k": "x" * 600}), (13, {1: 2})],
)  # fmt: skip
def test_a_record_with_a_wrong_field_is_refused(at: int, value: Any) -> None:
    row = list(RECORD_ROW)
    row[at] = value
    if at == 8 or value == {1: 2}:
        with pytest.raises(RemoteProtocolError):
            gossip.decode([11, "a", [row], {}])
        return
    with pytest.raises(RemoteProtocolError):
        gossip.decode(strict.encode([11, "a", [row], {}]))
