"""Hosts as numbers: which can be told, and how they are written."""

from __future__ import annotations

import pytest

from meshq.membership.addresses import address_text, loopback, numeric, plain_host, usable


@pytest.mark.parametrize(
    ("host", "is_numeric", "plain"),
    [
        ("10.0.0.1", True, "10.0.0.1"),
        ("fd00::1", True, "fd00::1"),
        ("::ffff:10.0.0.1", True, "10.0.0.1"),
        ("localhost", False, ""),
        ("", False, ""),
    ],
)
def test_a_host_is_a_number_or_needs_a_look_up(host: str, is_numeric: bool, plain: str) -> None:
    assert numeric(host) == is_numeric
    assert plain_host(host) == plain


@pytest.mark.parametrize(
    ("host", "can_be_told", "own_machine"),
    [
        ("10.0.0.1", True, False),
        ("127.0.0.1", True, True),
        ("::1", True, True),
        ("0.0.0.0", False, False),
        ("::", False, False),
    ],
)
def test_what_stands_for_all_hosts_is_told_to_nobody(host: str, can_be_told: bool, own_machine: bool) -> None:
    assert usable(host) == can_be_told
    assert loopback(host) == own_machine
    assert not usable("")


def test_addresses_are_told_as_people_write_them() -> None:
    assert address_text(("10.0.0.1", 4155)) == "10.0.0.1:4155"
    assert address_text(("fd00::1", 4155)) == "[fd00::1]:4155"
