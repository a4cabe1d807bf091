"""The frames of a link: every kind there and back, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from meshq.errors import RemoteProtocolError
from meshq.names import ChannelKey
from meshq.wire import codec, frames, strict
from meshq.wire.frames import KINDS, LENGTH_BYTES, Frame
from tests.wire.samples import FRAMES, LOG


def payload(frame: Frame) -> bytes:
    return codec.encode(frame)[LENGTH_BYTES:]


def refused(data: bytes) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        codec.decode(data)
    assert len(str(caught.value)) < 250
    return caught.value.code


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_every_frame_comes_back_as_it_was(frame: Frame) -> None:
    data = codec.encode(frame)
    assert int.from_bytes(data[:LENGTH_BYTES], "big") == len(data) - LENGTH_BYTES
    decoded = codec.decode(data[LENGTH_BYTES:])
    assert decoded == frame
    assert type(decoded) is type(frame)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_every_truncation_and_every_addition_is_refused(frame: Frame) -> None:
    data = payload(frame)
    for length in range(len(data)):
        assert refused(data[:length]) == "BAD_CBOR"
    assert refused(data + b"\x00") == "BAD_CBOR"


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_a_field_of_another_type_is_refused(frame: Frame) -> None:
    """Every field is replaced by every plain type that it must not have."""
    number = next(n for n, kind in KINDS.items() if kind is type(frame))
    for at, (value, hint) in enumerate(zip(frame, type(frame).__annotations__.values(), strict=True)):
        if hint.__forward_arg__ == "Any":
            continue
        for other in (None, -1, 1.5, True, "x" * 2000, b"bytes", [1, 2, 3], {"k": 1}, [None], {"k": [1]}):
            fits = type(other) is type(value) and hint.__forward_arg__ in ("bytes", "bool", "dict[str, Any]")
            if fits or (other == {"k": 1} and hint.__forward_arg__ == "dict[str, Any]"):
                continue
            fields = [*frame[:at], other, *frame[at + 1 :]]
            assert refused(strict.encode([number, *fields])) in ("BAD_FRAME", "BAD_CBOR")


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_a_field_more_or_less_is_refused(frame: Frame) -> None:
    fields = strict.decode(payload(frame))
    assert refused(strict.encode(fields[:-1])) == "BAD_FRAME"
    assert refused(strict.encode([*fields, 1])) == "BAD_FRAME"


def test_a_kind_of_a_later_version_is_skipped() -> None:
    assert codec.decode(strict.encode([99, "what", "ever"])) is None
    assert codec.decode(strict.encode([-1])) is None


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, ["Hello"], [True], [1.0], [None]])
def test_what_is_no_frame_at_all_is_refused(value: Any) -> None:
    assert refused(strict.encode(value)) == "BAD_FRAME"


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_options_of_a_later_version_are_carried(frame: Frame) -> None:
    newer = frame._replace(options={"not yet": {"invented": [1, b"2", None]}})
    assert codec.decode(payload(newer)) == newer


@pytest.mark.parametrize(
    "flow",
    [-1, ["a", "b"], ["a", "b", -1], ["a", "b", True], ["a", b"b", 1], ["x" * 65, "b", 1], ["a", "x" * 65, 1], "a"],
)
def test_a_flow_that_names_no_channel_is_refused(flow: Any) -> None:
    assert refused(strict.encode([19, flow, {}])) == "BAD_FRAME"


def test_a_flow_is_a_channel_between_nodes_and_a_number_for_clients() -> None:
    for flow in (ChannelKey("a", "b", 1), 5):
        assert codec.decode(payload(frames.Recall(flow))) == frames.Recall(flow)


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (1, 1), (2, 1)])
def test_a_span_of_nothing_is_refused(start: int, stop: int) -> None:
    assert refused(payload(frames.Fin(1, 1, [(LOG, start, stop)]))) == "BAD_FRAME"
    assert refused(payload(frames.Deliver(1, LOG, start, stop, 1, [], b"\x80"))) == "BAD_FRAME"


@pytest.mark.parametrize("address", [["h"], ["h", 65536], ["h", -1], [1, 1], ["h", "1"], "h:1", ["h" * 2000, 1]])
def test_an_address_that_is_none_is_refused(address: Any) -> None:
    hello = next(frame for frame in FRAMES if type(frame) is frames.Hello)
    assert refused(payload(hello._replace(addresses={"mesh": address}))) == "BAD_FRAME"


def test_numbers_end_at_64_bits() -> None:
    assert codec.decode(payload(frames.Ping(2**64 - 1))) == frames.Ping(2**64 - 1)
    assert refused(payload(frames.Ping(2**64))) == "BAD_CBOR"


def test_the_statistics_of_a_whole_mesh_fit_the_depth() -> None:
    channel = {"channel": "c", "depth": 1, "consumers": {"a": 1}}
    node = {"topics": [{"topic": "t", "channels": [channel]}]}
    answer = frames.Answer(1, "", {"nodes": {"a": node}, "missing": []})
    assert codec.decode(payload(answer)) == answer


def test_every_frame_says_in_its_docstring_what_it_is_for() -> None:
    for kind in KINDS.values():
        assert kind.__doc__
        assert not kind.__doc__.startswith(f"{kind.__name__}(")


def test_a_stream_does_not_begin_like_another_protocol() -> None:
    for other in (b"  V1", b"  V2", b"GET ", b"POST", b"\x16\x03\x01\x02"):
        assert other != frames.MAGIC
    assert frames.MAGIC[0] >= 0x80


@pytest.mark.parametrize("size_bytes", [0, 23, 255, 1023, 1024, 65_535, 65_536, 300_000])
def test_a_body_passed_on_as_it_is_makes_the_same_bytes(size_bytes: int) -> None:
    body = bytes(size_bytes)
    for frame in (
        frames.Deliver(3, LOG, 1, 3, 123, [[1, 2, 1]], body),
        frames.Deliver(ChannelKey("t", "c", 1), LOG, 1, 3, 123, [], body, {"later": 1}),
        frames.Publish(1, "t", 3, body, {"delay_ms": 4}),
    ):
        parts = codec.encode_parts(frame)
        assert b"".join(parts) == codec.encode(frame)
        assert size_bytes < codec.SPLICED_BYTES_MIN or any(part is body for part in parts)
