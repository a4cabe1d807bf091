"""Host and Origin: which requests a page in somebody's browser could have been made to send."""

from __future__ import annotations

import pytest

from meshq.http.access import Access, hostname


@pytest.mark.parametrize(
    "host",
    [
        "localhost:4151",
        "LOCALHOST",
        "app.localhost",
        "127.0.0.1:4151",
        "127.8.8.8",
        "[::1]:4151",
        "10.1.2.3:4151",
        "192.168.0.9",
        "[fe80::1]:4151",
        "node-1:4151",
        "Node-1.:4151",
        "203.0.113.7:4151",
    ],
)
def test_loopback_private_addresses_and_own_names_are_known(host: str) -> None:
    assert Access(["node-1", "203.0.113.7"]).refusal(host, None) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:4151", "8.8.8.8", "localhost.evil.example", "", "[::2]"]
)
def test_a_foreign_host_is_refused_with_what_to_do(host: str) -> None:
    said = Access(["node-1"]).refusal(host, None)
    assert said is not None
    assert said.startswith("HOST_NOT_ALLOWED")
    assert "--http-name" in said


def test_a_public_address_mapped_into_ipv6_is_not_private() -> None:
    assert Access([]).refusal("[::ffff:8.8.8.8]:4151", None) is not None
    assert Access([]).refusal("[::ffff:10.0.0.1]:4151", None) is None


def test_a_program_of_http_1_0_without_a_host_is_let_in() -> None:
    assert Access([]).refusal(None, None) is None


@pytest.mark.parametrize("origin", ["http://localhost:4151", "https://localhost:4151"])
def test_the_own_origin_is_let_in(origin: str) -> None:
    assert Access([]).refusal("localhost:4151", origin) is None


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:3000", "http://localhost", "null", ""])
def test_a_foreign_origin_is_refused(origin: str) -> None:
    said = Access([]).refusal("localhost:4151", origin)
    assert said is not None
    assert said.startswith("ORIGIN_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("host", "name"),
    [("a:1", "a"), ("a", "a"), ("[::1]:80", "::1"), ("[::1]", "::1"), ("", ""), ("[", "")],
)
def test_the_name_in_a_host_header(host: str, name: str) -> None:
    assert hostname(host) == name
