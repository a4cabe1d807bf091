"""Laws of the wire: there and back for whatever can be said; for whatever comes in, an answer or a refusal.

A parser returns or raises RemoteProtocolError (a door's check: InvalidMessage) and nothing else. Bytes are
drawn at random, as CBOR of any shape, and as valid frames with bytes changed, cut, doubled or swapped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cbor2 import dumps
from hypothesis import given
from hypothesis import strategies as st

from meshq.errors import InvalidMessage, RemoteProtocolError
from meshq.names import ChannelKey, Epoch, LogId
from meshq.wire import bodies, codec, onepass, strict
from meshq.wire.frames import KINDS, LENGTH_BYTES, Confirmed, Deliver, Fin, Frame, Publish
from meshq.wire.prefix import Prefix
from tests.properties.strategies import mutated, name, plain, text, whole
from tests.wire.samples import FRAMES

LIMIT = 5000
maps = st.dictionaries(text, st.one_of(st.none(), whole, text, st.lists(whole, max_size=3)), max_size=4)
logs = st.builds(LogId, name, whole, whole, whole, whole)
steps = st.tuples(st.integers(1, 2**63), st.integers(1, 2**62))
spans = st.builds(lambda log, step: (log, step[0], step[0] + step[1]), logs, steps)
ranges = steps.map(lambda step: [step[0], step[0] + step[1]])
tried = st.tuples(ranges, whole, whole, text, text).map(lambda one: [*one[0], *one[1:]])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "int": whole,
    "str": text,
    "bytes": st.binary(max_size=300),
    "bool": st.booleans(),
    "Any": plain,
    "Flow": st.one_of(whole, st.builds(ChannelKey, name, name, whole)),
    "LogId": logs,
    "Epoch": st.builds(Epoch, whole, whole),
    "list[str]": st.lists(text, max_size=5),
    "list[Span]": st.lists(spans, max_size=5),
    "list[list[int]]": st.lists(st.lists(whole, min_size=3, max_size=3), max_size=5),
    "list[Range]": st.lists(ranges, max_size=5),
    "list[Tried]": st.lists(tried, max_size=5),
    "list[tuple[LogId, int, int]]": st.lists(st.tuples(logs, whole, whole), max_size=5),
    "dict[str, Any]": maps,
    "dict[str, list[Any]]": st.dictionaries(text, st.tuples(text, st.integers(0, 65535)).map(list), max_size=4),
}


def frame_of(kind: type[Any]) -> st.SearchStrategy[Frame]:
    """Frames of one kind; a Deliver holds at least one message."""
    fields = st.fixed_dictionaries({n: FIELDS[hint.__forward_arg__] for n, hint in kind.__annotations__.items()})
    if kind is Deliver:
        fields = st.builds(lambda f, step: {**f, "start": step[0], "stop": sum(step)}, fields, steps)
    return fields.map(lambda values: kind(**values))


any_frame = st.sampled_from(list(KINDS.values())).flatmap(frame_of)
sizes = st.one_of(st.integers(1, 30), st.integers(250, 260), st.integers(1, LIMIT))
headers = st.dictionaries(text, text, max_size=5)
messages = st.builds(
    lambda size, fill, more: bodies.item(bytes([fill]) * size, more, size_bytes_max=LIMIT),
    sizes,
    st.integers(0, 255),
    st.one_of(st.just({}), st.just({}), headers),
)
batches = st.lists(messages, min_size=1, max_size=40)


def reads_or_refuses(data: bytes) -> None:
    """The law of a parser."""
    try:
        frame = codec.decode(data)
    except RemoteProtocolError:
        return
    if frame is not None:
        again = codec.encode(frame)[LENGTH_BYTES:]
        assert repr(codec.decode(again)) == repr(frame)  # repr, for NaN is not itself


@given(any_frame)
def test_every_frame_comes_back_as_it_went(frame: Frame) -> None:
    decoded = codec.decode(codec.encode(frame)[LENGTH_BYTES:])
    assert decoded == frame
    assert type(decoded) is type(frame)


@given(any_frame, st.sampled_from([0, 1, 1023, 1024, 65_535, 65_536, 70_000]))
def test_a_frame_in_parts_is_the_frame(frame: Frame, size: int) -> None:
    if isinstance(frame, Deliver | Publish):
        frame = frame._replace(body=b"x" * size)
    assert b"".join(codec.encode_parts(frame)) == codec.encode(frame)


@given(any_frame)
def test_every_truncation_of_a_frame_is_refused(frame: Frame) -> None:
    data = codec.encode(frame)[LENGTH_BYTES:]
    for length in range(len(data)):
        try:
            assert codec.decode(data[:length]) is None
        except RemoteProtocolError:
            continue
        raise AssertionError(length)


@given(mutated(st.sampled_from(FRAMES).map(lambda frame: codec.encode(frame)[LENGTH_BYTES:])))
def test_a_changed_frame_is_read_or_refused(data: bytes) -> None:
    reads_or_refuses(data)


@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    reads_or_refuses(data)


@given(st.sampled_from(list(KINDS)), st.lists(plain, max_size=11))
def test_any_plain_fields_are_read_or_refused(kind: int, fields: list[Any]) -> None:
    reads_or_refuses(strict.encode([kind, *fields]))


@given(plain)
def test_every_plain_value_comes_back_as_it_went(value: Any) -> None:
    assert strict.decode(strict.encode(value)) == value


@given(st.one_of(st.binary(max_size=100), mutated(plain.map(dumps))))
def test_any_bytes_are_one_value_or_refused(data: bytes) -> None:
    try:
        value = strict.decode(data)
        strict.check_plain(value)
    except RemoteProtocolError:
        return
    assert repr(strict.decode(strict.encode(value))) == repr(value)


@given(st.binary(max_size=30), st.text(min_size=1, max_size=5), st.text(min_size=1, max_size=5))
def test_a_packet_is_read_under_its_own_label_only(packet: bytes, ours: str, other: str) -> None:
    data = Prefix(ours).wrap(packet)
    assert Prefix(ours).unwrap(data) == packet
    if other != ours:
        try:
            Prefix(other).unwrap(data)
        except RemoteProtocolError:
            return
        raise AssertionError(other)


@given(mutated(st.binary(max_size=30).map(Prefix("meshq").wrap)))
def test_any_datagram_is_unwrapped_or_refused(data: bytes) -> None:
    try:
        packet = Prefix("meshq").unwrap(data)
    except RemoteProtocolError:
        return
    assert Prefix("meshq").wrap(packet) == data


@given(batches)
def test_what_is_encoded_is_accepted_and_comes_back(batch: list[bodies.Item]) -> None:
    body = bodies.encode(batch)
    bodies.check(body, len(batch), LIMIT)
    assert bodies.decode(body) == batch


@given(st.one_of(mutated(batches.map(bodies.encode)), st.binary(max_size=40)), st.integers(0, 40))
def test_what_is_accepted_is_what_encoding_makes_and_nothing_else(data: bytes, count: int) -> None:
    try:
        bodies.check(data, count, LIMIT)
    except InvalidMessage:
        return
    items = bodies.decode(data)
    assert len(items) == count
    assert bodies.encode(items) == data


@given(sizes, st.integers(1, 300), st.data())
def test_among_messages_of_one_size_a_wrong_head_is_found(size: int, count: int, data: st.DataObject) -> None:
    body = bytearray(bodies.encode([b"x" * size] * count))
    starts = list(bodies.offsets(bytes(body), count))
    at = starts[data.draw(st.integers(0, count - 1))]
    bodies.check(bytes(body), count, size)
    body[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidMessage):
        bodies.check(bytes(body), count, LIMIT)


@given(st.integers(2, LIMIT), st.integers(1, 300))
def test_messages_of_one_size_may_have_just_the_size_allowed(size: int, count: int) -> None:
    body = bodies.encode([b"x" * size] * count)
    bodies.check(body, count, size)
    with pytest.raises(InvalidMessage, match="at most"):
        bodies.check(body, count, size - 1)


@given(st.lists(plain, max_size=4))
def test_any_array_is_a_body_exactly_when_every_entry_is_a_message(entries: list[Any]) -> None:
    body = dumps(entries)
    accepted = bool(entries)
    try:
        bodies.check(body, len(entries), LIMIT)
    except InvalidMessage:
        accepted = False
    assert accepted == (bool(entries) and all(is_message(entry) for entry in entries))


def is_message(entry: Any) -> bool:
    """Whether a value is ``bytes`` or ``[bytes, {text: text}]``, not empty: the model of the check."""
    match entry:
        case bytes():
            return len(entry) > 0
        case [bytes() as body, dict() as more]:
            return len(body) > 0 and all(isinstance(value, str) for value in more.values())
    return False


@given(st.one_of(st.binary(max_size=60), mutated(batches.map(bodies.encode)), plain.map(dumps)))
def test_any_bytes_are_decoded_to_messages_or_refused(data: bytes) -> None:
    try:
        items = bodies.decode(data)
    except RemoteProtocolError:
        return
    for item in items:
        assert type(item) is bytes or (type(item) is list and type(item[0]) is bytes and type(item[1]) is dict)
    bodies.encode(items)


@given(st.lists(batches, min_size=1, max_size=8))
def test_joining_bodies_is_encoding_their_messages_together(parts: list[list[bodies.Item]]) -> None:
    merged = bodies.merge([bodies.encode(part) for part in parts], [len(part) for part in parts])
    assert merged == bodies.encode([item for part in parts for item in part])


@given(batches, st.data())
def test_parts_joined_are_the_whole(batch: list[bodies.Item], data: st.DataObject) -> None:
    body = bodies.encode(batch)
    at = data.draw(st.integers(0, len(batch)))
    parts = [bodies.split(body, 0, at), bodies.split(body, at, len(batch))]
    assert bodies.merge(parts, [at, len(batch) - at]) == body


equal = st.builds(lambda size, count: [b"x" * size] * count, sizes, st.integers(1, 40))


@given(st.one_of(batches, equal), st.data())
def test_a_cut_by_offsets_is_the_body_of_its_messages(batch: list[bodies.Item], data: st.DataObject) -> None:
    body = bodies.encode(batch)
    starts = bodies.offsets(body, len(batch))
    assert len(starts) == len(batch) + 1
    start = data.draw(st.integers(0, len(batch) - 1))
    stop = data.draw(st.integers(start + 1, len(batch)))
    part = bodies.cut(body, starts, start, stop)
    assert part == bodies.encode(batch[start:stop])
    assert bodies.content_bytes(part, stop - start) == starts[stop] - starts[start]


@given(st.one_of(mutated(batches.map(bodies.encode)), st.binary(max_size=40)), st.integers(1, 40))
def test_offsets_of_any_bytes_are_found_or_refused(data: bytes, count: int) -> None:
    try:
        starts = bodies.offsets(data, count)
    except RemoteProtocolError:
        return
    assert len(starts) == count + 1
    assert starts[-1] == len(data)
    assert sorted({*starts}) == list(starts)


LOG = bytes.fromhex("85 61 61 01 02 03 00")
ODD_FORMS = [
    bytes.fromhex(form) + rest
    for form, rest in [
        ("86 18 20 1800 78 01 74 1b0000000000000005 5a 00000001 78 a0", b""),  # lengths longer than they need be
        ("86 18 20 01 61 74 01 41 78 a0", b"\0"),  # a byte too many
        ("86 18 20 01 61 74 01 41 78 a1 61 6c", b"\x81" * 10 + b"\x80"),  # options as deep as may be
        ("86 18 20 01 61 74 01 41 78 a1 61 6c", b"\x81" * 11 + b"\x80"),
        ("86 18 20 01 61 74 01 41 78 a2 61 6c 01 61 6c", b"\x02"),  # one key twice
        ("86 18 20 01 61 74 01 41 78 a1 01", b"\x02"),  # a key that is no text
        ("86 18 20 01 61 ff 01 41 78", b"\xa0"),  # no UTF-8
        ("86 18 20 20 61 74 01 41 78", b"\xa0"),  # a number below zero
        ("86 18 20 01 61 74 01 41 78", b"\xf6"),  # null for options
        ("86 18 20 01 61 74 01 5f 41 78 ff", b"\xa0"),  # a length that is told at the end
        ("89 12 01", LOG + b"\x03\x03\x05\x80\x41x\xa0"),  # no messages
        ("89 12 01", LOG + b"\x03\x04\x05\x81\x83\x03\x04\x01\x41x\xa0"),  # messages that came back
        ("89 12 83 61 74 61 63 01", LOG + b"\x03\x04\x05\x80\x41x\xa0"),
        ("89 12 83 61 74 01 61 63", LOG + b"\x03\x04\x05\x80\x41x\xa0"),  # the channel's fields in disorder
        ("85 15 01 01 81 83", LOG + b"\x04\x04\xa0"),
        ("85 15 01 01 98 01 83", LOG + b"\x04\x05\xa0"),
        ("86 18 21 01", LOG[:-1] + b"\x20\x01\x61m\xa0"),
    ]
]
hot_frames = st.sampled_from([Publish, Confirmed, Deliver, Fin]).flatmap(frame_of)
payloads = hot_frames.map(lambda frame: codec.encode(frame)[LENGTH_BYTES:])


def outcome(reader: Callable[[bytes], Frame | None], payload: bytes) -> str:
    """What a reader says: repr, for NaN is not itself; the values of a frame, or why it is none."""
    try:
        frame = reader(payload)
    except RemoteProtocolError as exc:
        return f"{exc.code}: {exc}"
    return f"{type(frame).__name__} {list(map(type, frame or ()))} {frame!r}"


@given(st.one_of(payloads, mutated(payloads), st.sampled_from(ODD_FORMS), mutated(st.sampled_from(ODD_FORMS))))
def test_one_pass_reads_what_the_strict_reader_reads(payload: bytes) -> None:
    assert outcome(codec.decode, payload) == outcome(codec.decode_strictly, payload)


@given(hot_frames)
def test_the_frames_of_a_messages_way_are_read_and_written_in_one_pass(frame: Frame) -> None:
    usual = frame._replace(options={})
    if isinstance(usual, Deliver):
        usual = usual._replace(attempts=[])
    read = onepass.read(codec.encode(usual)[LENGTH_BYTES:])
    assert read is not None
    assert (KINDS[read[0]], read[1]) == (type(usual), list(usual))
    assert b"".join(codec.encode_parts(frame)) == codec.encode(frame)
