"""Sealed datagrams: who can open what, and that nothing but an authentic packet changes anything."""

from __future__ import annotations

import random

import pytest

from meshq.errors import LocalProtocolError, RemoteProtocolError
from meshq.wire.keyring import PLAIN, Key, Keyring, Secrecy
from meshq.wire.prefix import DATAGRAM_BYTES_MAX, PACKET_BYTES_MAX, Prefix
from meshq.wire.sealing import Sealing

OLD, NEW, OTHER = (Key(bytes([n]) * 32) for n in (1, 2, 3))


def sealing(*keys: Key, seed: int = 1, label: str = "meshq") -> Sealing:
    return Sealing(label, Secrecy(Keyring(keys), random.Random(seed).randbytes), senders_max=100)


def refusal(at: Sealing, data: bytes) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        at.unwrap(data)
    return caught.value.code


def test_a_packet_comes_out_as_it_went_in_and_can_not_be_read_on_the_way() -> None:
    data = sealing(OLD).wrap(b"members of the mesh")
    assert b"members" not in data
    assert sealing(OLD, seed=2).unwrap(data) == b"members of the mesh"


def test_the_largest_packet_fits_a_datagram_exactly() -> None:
    data = sealing(OLD).wrap(b"x" * PACKET_BYTES_MAX)
    assert len(data) == DATAGRAM_BYTES_MAX
    assert sealing(OLD).unwrap(data) == b"x" * PACKET_BYTES_MAX
    with pytest.raises(LocalProtocolError):
        sealing(OLD).wrap(b"x" * (PACKET_BYTES_MAX + 1))


def test_the_layout_is_as_drawn() -> None:
    data = sealing(OLD).wrap(b"!")
    assert data[:4] == b"\xf1q\x01" + bytes([OLD.number])
    assert data[4:12] == Prefix("meshq").wrap(b"")[4:]
    assert data[12:24] == random.Random(1).randbytes(8) + bytes(4)
    assert len(data) == 24 + 1 + 16


def test_every_flipped_bit_is_noticed() -> None:
    data = sealing(OLD).wrap(b"packet")
    reader = sealing(OLD, seed=2)
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            assert refusal(reader, bytes(changed)) in ("BAD_SEAL", "KEY", "LABEL", "VERSION", "BAD_PREFIX")
    assert reader.unwrap(data) == b"packet"


def test_every_truncation_is_refused() -> None:
    data = sealing(OLD).wrap(b"packet")
    for length in range(len(data)):
        assert refusal(sealing(OLD), data[:length]) in ("BAD_PREFIX", "BAD_SEAL")


def test_a_packet_is_taken_once() -> None:
    writer, reader = sealing(OLD), sealing(OLD, seed=2)
    first, second = writer.wrap(b"1"), writer.wrap(b"2")
    assert reader.unwrap(second) == b"2"
    assert reader.unwrap(first) == b"1"
    assert refusal(reader, first) == refusal(reader, second) == "REPLAY"


def test_without_the_key_nothing_goes_either_way_and_both_can_say_why() -> None:
    assert refusal(sealing(OLD), Prefix("meshq").wrap(b"x")) == "KEY"
    assert refusal(sealing(OLD), sealing(OTHER).wrap(b"x")) == "KEY"
    with pytest.raises(RemoteProtocolError, match="this node has no key"):
        Prefix("meshq").unwrap(sealing(OLD).wrap(b"x"))


def test_a_key_of_the_same_number_is_still_another_key() -> None:
    twin = next(key for n in range(10_000) if (key := Key(n.to_bytes(32, "big"))).number == OLD.number)
    assert refusal(sealing(OLD), sealing(twin).wrap(b"x")) == "BAD_SEAL"


def test_another_label_is_another_mesh_even_with_the_key() -> None:
    assert refusal(sealing(OLD), sealing(OLD, label="other").wrap(b"x")) == "LABEL"


def test_a_rotation_parts_nobody_at_any_step() -> None:
    one, other = sealing(OLD), sealing(OLD, seed=2)
    steps = [(OLD, NEW), (NEW, OLD), (NEW,)]
    for step in steps:
        for changed in (one, other):
            changed.change(Keyring(step))
            assert other.unwrap(one.wrap(b"x")) == b"x"
            assert one.unwrap(other.wrap(b"y")) == b"y"
    assert refusal(one, sealing(OLD, seed=3).wrap(b"x")) == "KEY"


def test_a_mesh_in_plain_gets_a_key_in_the_same_steps() -> None:
    bare, one, other = Prefix("meshq"), sealing(PLAIN, NEW), sealing(PLAIN, NEW, seed=2)
    assert bare.unwrap(one.wrap(b"x")) == b"x"
    assert one.unwrap(bare.wrap(b"x")) == b"x"
    one.change(Keyring((NEW, PLAIN)))
    assert other.unwrap(one.wrap(b"x")) == b"x"
    assert one.unwrap(other.wrap(b"x")) == b"x"
    one.change(Keyring((NEW,)))
    assert refusal(one, bare.wrap(b"x")) == "KEY"


def test_a_used_up_counter_takes_a_new_start() -> None:
    writer, reader = sealing(OLD), sealing(OLD)
    writer._counter = (1 << 32) - 1
    last, next_one = writer.wrap(b"last"), writer.wrap(b"next")
    assert last[12:20] != next_one[12:20]
    assert next_one[20:24] == bytes(4)
    assert [reader.unwrap(last), reader.unwrap(next_one)] == [b"last", b"next"]
