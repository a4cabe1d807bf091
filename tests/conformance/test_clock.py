"""Deadlines come neither early nor out of order, and the clock of a machine never goes back."""

from __future__ import annotations

from meshq.machine.effects import Resolve, SendDatagram, Store
from tests.conformance.stages import Stage


def test_a_machine_is_started_first_and_knows_the_wall_clock(stage: Stage) -> None:
    a = stage.add("a")
    stage.until(lambda: bool(a.machine.inputs))
    verb, _, wall_ns = a.machine.inputs[0]
    assert verb == "start"
    assert wall_ns > 1_700_000_000 * 10**9


def test_deadlines_are_served_in_order_and_never_early(stage: Stage) -> None:
    a = stage.add("a")
    stage.until(lambda: bool(a.machine.inputs))
    begun = a.machine.inputs[0][1]
    wanted = [begun + after for after in (0.090, 0.010, 0.050, 0.0505, 0.030)]
    a.machine.alarms = list(wanted)
    a.act()
    stage.until(lambda: not a.machine.alarms)
    served = [(now, at) for now, due in a.machine.named("tick") for at in sorted(due)]
    assert [at for _, at in served] == sorted(wanted)
    assert all(now >= at for now, at in served)


def test_a_deadline_that_has_passed_is_served_at_once(stage: Stage) -> None:
    a = stage.add("a")
    stage.until(lambda: bool(a.machine.inputs))
    a.machine.alarms = [a.machine.inputs[0][1] - 10.0]
    a.act()
    stage.until(lambda: bool(a.machine.named("tick")))


def test_an_earlier_deadline_overtakes_one_that_is_waited_for(stage: Stage) -> None:
    a = stage.add("a")
    stage.until(lambda: bool(a.machine.inputs))
    begun = a.machine.inputs[0][1]
    a.machine.alarms = [begun + 3600.0]
    a.act()
    a.machine.alarms.append(begun + 0.005)
    a.act()
    stage.until(lambda: a.machine.alarms == [begun + 3600.0])


def test_now_never_goes_back(stage: Stage) -> None:
    a, b = stage.add("a"), stage.add("b")
    stage.until(lambda: bool(b.machine.inputs))
    b.machine.alarms = [b.machine.inputs[0][1] + 0.001 * n for n in range(20)]
    a.act(*(SendDatagram(b.address, b"x") for _ in range(50)))
    b.act()
    stage.until(lambda: not b.machine.alarms and len(b.machine.named("datagram")) == 50)
    times = [each[1] for each in b.machine.inputs]
    assert times == sorted(times)


def test_what_is_to_be_kept_is_answered(stage: Stage) -> None:
    a = stage.add("a")
    a.act(Store(7, []), Store(8, [("row",)]))
    stage.until(lambda: [token for _, token in a.machine.named("stored")] == [7, 8])


def test_a_numeric_host_resolves_to_itself_and_an_unknown_name_to_nothing(stage: Stage) -> None:
    a = stage.add("a")
    a.act(Resolve(1, "not a host name", 4155))
    stage.until(lambda: [(query, found) for _, query, found in a.machine.named("resolved")] == [(1, [])])
