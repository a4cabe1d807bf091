"""The world orders events, keeps chance apart by purpose, and its trace hash tells two runs apart."""

from __future__ import annotations

from meshq.sim.world import Alarm, World


def test_events_happen_by_time_and_then_in_the_order_in_which_they_were_asked_for() -> None:
    world, seen = World(1), list[str]()
    world.at(2.0, seen.append, "c")
    world.at(1.0, seen.append, "a")
    world.at(1.0, seen.append, "b")
    world.run_until(3.0)
    assert seen == ["a", "b", "c"]
    assert world.now == 3.0


def test_the_past_cannot_be_changed() -> None:
    world, seen = World(1), list[float]()
    world.run_until(5.0)
    world.at(1.0, lambda: seen.append(world.now))
    world.run_until(6.0)
    assert seen == [5.0]


def test_run_while_stops_when_the_condition_ends_or_after_its_time() -> None:
    world, seen = World(1), list[str]()
    world.at(1.0, seen.append, "x")
    assert world.run_while(lambda: not seen, within_s=10.0)
    assert 1.0 <= world.now <= 1.1
    assert not world.run_while(lambda: True, within_s=2.0)
    assert 3.0 <= world.now <= 3.2


def test_draws_for_one_purpose_do_not_shift_those_for_another() -> None:
    first, second = World(7), World(7)
    first.rng("network").random()
    assert first.rng("host", "a").random() == second.rng("host", "a").random()
    assert first.rng("host", "a").random() != first.rng("host", "b").random()
    assert World(8).rng("host", "a").random() != first.rng("host", "a").random()


def test_the_trace_hash_tells_what_happened_and_what_was_carried() -> None:
    def run(data: bytes, at: float) -> str:
        world = World(1)
        world.at(at, world.trace, data)
        world.run_until(9.0)
        return world.hash()

    assert run(b"x", 1.0) == run(b"x", 1.0)
    assert len({run(b"x", 1.0), run(b"y", 1.0), run(b"x", 2.0)}) == 3


def test_an_alarm_rings_once_at_the_time_that_it_was_last_armed_for() -> None:
    world, rung = World(1), list[float]()
    alarm = Alarm(world, lambda: rung.append(world.now))
    alarm.arm(1.0)
    alarm.arm(3.0)
    alarm.hasten(2.0)
    alarm.hasten(4.0)
    world.run_until(5.0)
    alarm.arm(6.0)
    alarm.arm(None)
    world.run_until(9.0)
    assert rung == [2.0]


def test_the_timeline_keeps_the_newest_notes() -> None:
    world = World(1, notes_max=2)
    for text in ("one", "two", "three"):
        world.note("a", text)
    assert [note.text for note in world.notes] == ["two", "three"]
    assert "three" in str(world.notes[-1])
