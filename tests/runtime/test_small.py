"""Epochs, the two clocks, the resolver, and where a node says it is."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from meshq.runtime import clock, placement, resolver
from meshq.runtime.addresses import bind_mesh
from meshq.runtime.clock import WallWatch
from meshq.runtime.epochs import next_epoch
from meshq.runtime.placement import Place, find_place
from meshq.runtime.resolver import resolve


def test_an_epoch_is_the_clock_in_ms_or_just_above_a_stored_one() -> None:
    assert abs(next_epoch().ms - time.time() * 1000) < 5000
    later = int(time.time() * 1000) + 10**9
    assert next_epoch(later).ms == later + 1
    assert next_epoch(5).ms > 10**12


def test_two_epochs_differ_in_their_random_bits() -> None:
    assert next_epoch().nonce != next_epoch().nonce


def test_the_wall_clock_is_told_when_it_moved_more_than_50_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    offset_ns = [0]
    monkeypatch.setattr(clock, "_offset_ns", lambda: offset_ns[0])
    watch = WallWatch()
    offset_ns[0] = 49_000_000
    assert not watch.moved()
    offset_ns[0] = 51_000_000
    assert watch.moved()
    assert not watch.moved(), "told once"
    offset_ns[0] = -5_000_000_000
    assert watch.moved()


def getaddrinfo(result: Any) -> Any:
    async def answer(*arguments: Any, **options: Any) -> Any:
        if isinstance(result, BaseException):
            raise result
        if result == "never":
            await asyncio.Event().wait()
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (host, 0)) for host in result]

    return answer


@pytest.mark.parametrize(
    ("answer", "addresses"),
    [
        (["10.0.0.1", "10.0.0.2", "10.0.0.1"], [("10.0.0.1", 7), ("10.0.0.2", 7)]),
        (socket.gaierror(-2, "no such name"), []),
        (UnicodeError("label too long"), []),
        ("never", []),
        ([f"10.0.{n}.1" for n in range(200)], [(f"10.0.{n}.1", 7) for n in range(resolver.ADDRESSES_MAX)]),
    ],
    ids=["all records once", "no such name", "no name at all", "no answer in time", "too many"],
)
def test_a_name_resolves_to_all_its_addresses_or_to_none(
    monkeypatch: pytest.MonkeyPatch, answer: Any, addresses: list[Any]
) -> None:
    async def main() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo(answer), raising=False)
        assert await resolve("node.example", 7, timeout_s=0.05) == addresses

    asyncio.run(main())


def test_a_numeric_host_asks_nobody() -> None:
    async def main() -> None:
        asyncio.get_running_loop().getaddrinfo = None  # type: ignore[method-assign,assignment]
        assert await resolve("::1", 7) == [("::1", 7)]

    asyncio.run(main())


def place(bind: str, advertise: str | None, *seeds: str) -> tuple[Place, int]:
    sockets = bind_mesh(bind, 0)
    try:
        return asyncio.run(find_place(sockets, advertise, seeds)), sockets.address[1]
    finally:
        sockets.close()


def test_what_is_advertised_wins() -> None:
    found, port = place("127.0.0.1", "10.9.9.9")
    assert found == Place(("10.9.9.9", port), ("10.9.9.9", port))


def test_a_bound_address_is_advertised() -> None:
    found, port = place("127.0.0.1", None, "10.0.0.1")
    assert found == Place(("127.0.0.1", port), ("127.0.0.1", port))


def test_a_node_on_every_interface_learns_from_its_seed_and_begins_with_the_interface_that_reaches_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def towards(address: Any) -> str:
        asked.append(address)
        return "10.3.3.3"

    monkeypatch.setattr(placement, "interface_towards", towards)
    found, port = place("0.0.0.0", None, "127.0.0.9:99")
    assert found == Place(("10.3.3.3", port), None)
    assert asked == [("127.0.0.9", 99)]
