"""The handshake agrees with another implementation of Noise, and with nobody who has not the key."""

from __future__ import annotations

import pytest

from meshq.errors import RemoteProtocolError
from meshq.link.noise import MESSAGE_BYTES, Cipher, Handshake

PSK = bytes(range(32))


def dialler(psk: bytes = PSK, prologue: bytes = b"prologue") -> Handshake:
    return Handshake(psk, prologue, bytes([1]) * 32)


def acceptor(psk: bytes = PSK, prologue: bytes = b"prologue") -> Handshake:
    return Handshake(psk, prologue, bytes([2]) * 32)


def test_every_byte_is_that_of_another_implementation() -> None:
    """Made with noiseprotocol 0.3.1: the same key, prologue and ephemeral secrets."""
    one, other = dialler(), acceptor()
    first = one.begin()
    assert first.hex() == (
        "a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209795a29684069877b4f69641945b11ed5"
    )
    second, back, forth = other.answer(first)
    assert second.hex() == (
        "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d5982ea3180f934c6881cbf5c772f055a40"
    )
    sending, receiving = one.finish(second)
    assert [sending.seal(b"one").hex(), sending.seal(b"two").hex(), back.seal(b"back").hex()] == [
        "6384948dd2efb532913a327a412d29c9bcfff7",
        "79f4a1dfdd45b7ce9055f9949b5c29abd33333",
        "ba14e3ad76260fe6473a9175c5b87f0ece67e613",
    ]
    assert forth.open(bytes.fromhex("6384948dd2efb532913a327a412d29c9bcfff7")) == b"one"
    assert receiving.open(bytes.fromhex("ba14e3ad76260fe6473a9175c5b87f0ece67e613")) == b"back"


def test_another_key_or_another_prologue_ends_it_at_the_first_message() -> None:
    for wrong in (dialler(psk=bytes(32)), dialler(prologue=b"other")):
        with pytest.raises(RemoteProtocolError) as caught:
            acceptor().answer(wrong.begin())
        assert caught.value.code == "BAD_SEAL"


def test_an_acceptor_without_the_key_is_found_out() -> None:
    one = dialler()
    one.begin()
    with pytest.raises(RemoteProtocolError):
        one.finish(bytes([9]) + bytes(MESSAGE_BYTES - 1))


def test_a_point_that_leads_to_no_secret_is_refused() -> None:
    one = dialler()
    one.begin()
    with pytest.raises(RemoteProtocolError):
        one.finish(bytes(MESSAGE_BYTES))


def test_every_flipped_bit_of_the_first_message_is_noticed() -> None:
    message = dialler().begin()
    for at in range(8 * len(message)):
        changed = bytearray(message)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(RemoteProtocolError):
            acceptor().answer(bytes(changed))


def test_what_is_sealed_is_opened_in_its_order_only() -> None:
    sending, receiving = Cipher(PSK), Cipher(PSK)
    first, second = sending.seal(b"1"), sending.seal(b"2")
    assert first != Cipher(PSK).seal(b"2")
    with pytest.raises(RemoteProtocolError):
        receiving.open(second)
    assert Cipher(PSK).open(first) == b"1"
