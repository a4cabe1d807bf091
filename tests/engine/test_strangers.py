"""What a node with a key says of those who come without one: what came, what to do, and not for each packet."""

from __future__ import annotations

from typing import Any

from meshq.engine.strangers import KINDS_MAX, QUIET_S, Strangers
from meshq.machine.events import Trouble
from meshq.wire.keyring import WANTED, Key, Keyring
from meshq.wire.prefix import Prefix
from tests.engine.cast import Cast

STRANGER = ("10.9.9.9", 4155)


def test_a_kind_is_told_of_once_a_minute_with_the_number_of_those_between() -> None:
    told: list[Any] = []
    strangers = Strangers(told.append)
    for _ in range(3):
        strangers.refused(5.0, STRANGER, "no key")
    strangers.refused(6.0, ("fe80::1", 1), "another key")
    strangers.refused(5.0 + QUIET_S, STRANGER, "no key")
    assert [event.text for event in told] == [
        "refused from 10.9.9.9:4155: no key",
        "refused from [fe80::1]:1: another key",
        "refused from 10.9.9.9:4155: no key (2 more since the last such line)",
    ]


def test_many_kinds_at_a_time_are_not_all_told_of() -> None:
    told: list[Any] = []
    strangers = Strangers(told.append)
    for number in range(10 * KINDS_MAX):
        strangers.refused(5.0, STRANGER, str(number))
    assert len(told) == KINDS_MAX
    strangers.refused(5.0 + QUIET_S, STRANGER, "later")
    assert len(told) == KINDS_MAX + 1


def test_the_node_counts_and_says_what_came_without_its_key() -> None:
    cast = Cast(("n1",), keys={"n1": Keyring([Key(bytes(range(32)))])})
    cast.fleet.start_all()
    cast.run(0.1)
    for _ in range(3):
        cast.fleet.hosts["n1"].call("datagram", Prefix("meshq").wrap(b"\x80"), STRANGER)
    cast.run(0.1)
    assert cast.engine("n1").counters.packets_unsealed == 3
    said = [event.text for _, _, event in cast.fleet.events if isinstance(event, Trouble)]
    assert said == [f"refused from 10.9.9.9:4155: packets that are not sealed; {WANTED}"]
