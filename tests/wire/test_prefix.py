"""The first twelve bytes of a datagram: whose it is, and in which version."""

from __future__ import annotations

import pytest

from meshq.errors import LocalProtocolError, RemoteProtocolError
from meshq.wire.prefix import DATAGRAM_BYTES_MAX, PACKET_BYTES_MAX, PREFIX_BYTES, Prefix, label_hash

OURS = Prefix("meshq")


def refusal(data: bytes) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        OURS.unwrap(data)
    return caught.value.code


def test_a_packet_comes_out_as_it_went_in() -> None:
    assert OURS.unwrap(OURS.wrap(b"packet")) == b"packet"
    assert OURS.unwrap(OURS.wrap(b"")) == b""


def test_the_largest_packet_fits_a_datagram() -> None:
    data = OURS.wrap(b"x" * PACKET_BYTES_MAX)
    assert len(data) <= DATAGRAM_BYTES_MAX
    assert OURS.unwrap(data)


def test_a_larger_packet_is_our_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        OURS.wrap(b"x" * (PACKET_BYTES_MAX + 1))


def test_the_layout_is_as_drawn() -> None:
    data = OURS.wrap(b"!")
    assert data == b"\xf1q" + b"\x01" + b"\x00" + label_hash("meshq") + b"!"
    assert len(data) == PREFIX_BYTES + 1


def test_another_label_is_refused_as_such() -> None:
    assert refusal(Prefix("other").wrap(b"x")) == "LABEL"


def test_another_version_is_refused_as_such() -> None:
    data = bytearray(OURS.wrap(b"x"))
    data[2] = 9
    assert refusal(bytes(data)) == "VERSION"


def test_a_sealed_packet_is_refused_as_such() -> None:
    data = bytearray(OURS.wrap(b"x"))
    data[3] = 1
    assert refusal(bytes(data)) == "KEY"


@pytest.mark.parametrize("data", [b"", b"\xf1", b"\xf1q\x01\x00", b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 1400])
def test_what_is_not_ours_is_refused_as_such(data: bytes) -> None:
    assert refusal(data) == "BAD_PREFIX"


def test_a_datagram_over_the_limit_is_refused() -> None:
    assert refusal(OURS.wrap(b"x" * PACKET_BYTES_MAX) + b"x" * 100) == "BAD_PREFIX"


def test_every_truncation_of_the_prefix_is_refused() -> None:
    data = OURS.wrap(b"x")
    for length in range(PREFIX_BYTES):
        assert refusal(data[:length]) == "BAD_PREFIX"
