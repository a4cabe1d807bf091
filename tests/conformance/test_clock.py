"""Deadlines come neither early nor out of order, and the clock of a machine never goes back."""

from __future__ import annotations

from meshq.machine.effects import Resolve, SendDatagram
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


def test_a_deadline_that_a_stopped_process_missed_is_served_after_what_waits(stage: Stage) -> None:
    a = stage.add("a")
    stage.until(lambda: bool(a.machine.inputs))
    a.machine.alarms = [a.machine.inputs[0][1] + 0.1]
    a.act()
    stage.until(lambda: bool(a.machine.named("drain")))
    stage.stand_still(a, 0.4, [bytes((number,)) for number in range(100)])
    stage.until(lambda: not a.machine.alarms)
    verbs = [each[0] for each in a.machine.inputs]
    assert verbs.count("datagram") == 100
    assert max(at for at, verb in enumerate(verbs) if verb == "datagram") < verbs.index("tick")


def test_a_moved_wall_clock_is_told_once_with_the_new_time(stage: Stage) -> None:
    a = stage.add("a")
    stage.until(lambda: bool(a.machine.inputs))
    _, started, wall_ns = a.machine.inputs[0]
    stage.move_wall(a, 3600.0)
    stage.until(lambda: bool(a.machine.named("wall")))
    a.machine.alarms = [started + 0.2]
    a.act()
    stage.until(lambda: not a.machine.alarms)
    ((now, told_ns),) = a.machine.named("wall")
    assert abs((told_ns - wall_ns) / 1e9 - (now - started) - 3600.0) < 0.05


def test_a_wall_clock_that_moved_a_little_is_not_told(stage: Stage) -> None:
    a = stage.add("a")
    stage.until(lambda: bool(a.machine.inputs))
    stage.move_wall(a, 0.03)
    a.machine.alarms = [a.machine.inputs[0][1] + 0.2]
    a.act()
    stage.until(lambda: not a.machine.alarms)
    assert a.machine.named("wall") == []


def test_an_unknown_name_resolves_to_nothing(stage: Stage) -> None:
    a = stage.add("a")
    a.act(Resolve(1, "not a host name", 4155), Resolve(2, "", 4155))
    stage.until(lambda: len(a.machine.named("resolved")) == 2)
    assert sorted((query, found) for _, query, found in a.machine.named("resolved")) == [(1, []), (2, [])]


def test_a_numeric_host_resolves_to_itself(stage: Stage) -> None:
    a = stage.add("a")
    a.act(Resolve(1, a.address[0], 4155))
    stage.until(lambda: [found for _, _, found in a.machine.named("resolved")] == [[(a.address[0], 4155)]])
