"""Which addresses a node binds, tells and trusts, and what it says when it can't have one."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from meshq.errors import ConfigError
from meshq.runtime import addresses
from meshq.runtime.addresses import (
    Admission,
    advertised_address,
    bind_host,
    bind_mesh,
    free_ports,
    interface_towards,
    is_private,
    mapped,
    show_address,
    split_address,
    unmapped,
)


@pytest.fixture
def taken() -> Iterator[int]:
    """A TCP port of 127.0.0.1 on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("node1", ("node1", 4155)),
        ("node1:99", ("node1", 99)),
        ("10.0.0.1", ("10.0.0.1", 4155)),
        ("::1", ("::1", 4155)),
        ("[::1]", ("::1", 4155)),
        ("[fe80::2]:7", ("fe80::2", 7)),
    ],
)
def test_an_address_is_a_host_and_maybe_a_port(text: str, address: tuple[str, int]) -> None:
    assert split_address(text) == address


@pytest.mark.parametrize("text", ["", ":1", "a:b", "a:70000", "[::1", "[::1]7", "a:-1", "a:²"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        split_address(text)


def test_a_scheme_is_to_be_left_out() -> None:
    with pytest.raises(ConfigError, match="is no address: leave out tcp://"):
        split_address("tcp://localhost:4155")


def test_addresses_are_shown_as_they_are_read() -> None:
    for text in ("10.0.0.1:80", "[::1]:80"):
        assert show_address(split_address(text)) == text


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.1.2.3", "192.168.0.9", "172.16.0.1", "::1", "fd00::1", "fe80::1%eth0"]
)
def test_own_networks_are_private(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize("host", ["8.8.8.8", "100.64.0.1", "2600::1", "nonsense"])
def test_the_world_is_not_private(host: str) -> None:
    assert not is_private(host)


def test_ipv4_on_a_socket_for_both_families_is_ipv4_to_us() -> None:
    assert unmapped(("::ffff:10.0.0.1", 5, 0, 0)) == ("10.0.0.1", 5)
    assert unmapped(("fd00::1", 5, 0, 0)) == ("fd00::1", 5)
    assert mapped(("10.0.0.1", 5)) == ("::ffff:10.0.0.1", 5)
    assert mapped(("fd00::1", 5)) == ("fd00::1", 5)


def test_a_node_on_every_interface_takes_private_sources_only() -> None:
    admission = Admission("0.0.0.0", open_to_all=False)
    assert admission.admits("192.168.1.4")
    assert not admission.admits("8.8.8.8")
    assert not admission.admits("8.8.8.8"), "also the second time"


def test_an_open_node_and_one_on_a_private_address_take_everybody() -> None:
    assert Admission("::", open_to_all=True).admits("8.8.8.8")
    assert Admission("10.0.0.1", open_to_all=False).admits("8.8.8.8")


def test_verdicts_about_sources_are_remembered_within_a_bound() -> None:
    admission = Admission("0.0.0.0", open_to_all=False)
    for number in range(2 * addresses.SOURCES_MAX + 5):
        admission.admits(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(admission._known) <= addresses.SOURCES_MAX


def test_a_public_address_needs_to_be_opened() -> None:
    with pytest.raises(ConfigError, match=r"8\.8\.8\.8 is a public address.*--open"):
        Admission("8.8.8.8", open_to_all=False)
    Admission("8.8.8.8", open_to_all=True)


def test_udp_and_tcp_get_the_same_port() -> None:
    sockets = bind_mesh("127.0.0.1", 0)
    try:
        assert sockets.udp.getsockname() == sockets.tcp.getsockname() == sockets.address
    finally:
        sockets.close()


def test_a_port_that_is_taken_is_named_with_the_next_step(taken: int) -> None:
    with pytest.raises(ConfigError, match=rf"port {taken} is taken .*--port"):
        bind_mesh("127.0.0.1", taken)


def test_a_port_whose_udp_half_is_taken_is_taken_and_nothing_stays_open() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match="is taken"):
            bind_mesh("127.0.0.1", port)
    bind_mesh("127.0.0.1", port).close()


def test_an_address_of_another_host_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="not an address of this host"):
        bind_mesh("192.0.2.77", 0)


def test_default_ports_move_together_past_one_that_is_taken(taken: int) -> None:
    base = taken - taken % 2  # any defaults around the taken one, as HTTP beside mesh
    moved = free_ports("127.0.0.1", mesh=base + 5, tcp=(taken,))
    assert moved >= 100
    assert moved % 100 == 0
    bind_mesh("127.0.0.1", base + 5 + moved).close()


def test_default_ports_that_are_free_stay() -> None:
    sockets = bind_mesh("127.0.0.1", 0)
    sockets.close()
    assert free_ports("127.0.0.1", mesh=sockets.address[1], tcp=()) == 0


def test_no_room_above_the_default_ports_is_an_error() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 65_500))
        with pytest.raises(ConfigError, match="no free ports"):
            free_ports("127.0.0.1", mesh=65_500, tcp=())


def test_what_is_advertised_becomes_numeric_and_gets_the_port() -> None:
    assert advertised_address("10.0.0.9", 4155) == ("10.0.0.9", 4155)
    assert advertised_address("10.0.0.9:7", 4155) == ("10.0.0.9", 7)
    assert advertised_address("localhost", 1) == ("127.0.0.1", 1)


def test_a_name_that_does_not_resolve_is_no_address_to_bind(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*arguments: object, **options: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    with pytest.raises(ConfigError, match="--bind nowhere: no such host"):
        bind_host("nowhere")


def test_the_interface_towards_loopback_is_loopback_and_nothing_is_sent() -> None:
    assert interface_towards(("127.0.0.1", 4155)) == "127.0.0.1"


def test_without_a_seed_only_a_private_interface_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for found, taken_host in (("10.1.1.1", "10.1.1.1"), ("8.8.4.4", "127.0.0.1"), (None, "127.0.0.1")):
        monkeypatch.setattr(addresses, "_source", lambda *_, found=found: found)
        assert interface_towards(None) == taken_host
