"""Processes that play: all results come, the rest is ended, and a death among them is told."""

from __future__ import annotations

import os
import signal
from itertools import count
from pathlib import Path

import pytest

from meshq.sim.crew import Crew, CrewFailed


def double(number: int) -> int:
    return 2 * number


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def stand_still(path: str) -> int:
    """Tell who it is, and never come back."""
    part = Path(f"{path}.part")
    part.write_text(str(os.getpid()))
    part.rename(path)
    signal.pause()
    return 0


@pytest.mark.parametrize("processes", [1, 3])
def test_every_job_is_played_once(processes: int) -> None:
    with Crew(double, processes) as crew:
        assert sorted(crew.play(range(20))) == [(number, 2 * number) for number in range(20)]
        assert sorted(crew.play([7])) == [(7, 14)]


def test_jobs_are_taken_only_as_there_are_hands_for_them() -> None:
    endless = count()
    with Crew(double, 2) as crew:
        played = crew.play(endless)
        first = [next(played) for _ in range(5)]
        played.close()
    assert len(first) == 5
    assert next(endless) <= 8


def test_a_death_is_told_with_the_job() -> None:
    with Crew(die, 2) as crew, pytest.raises(CrewFailed, match="status -9 while it played 5"):
        list(crew.play([5]))


def test_what_nobody_waits_for_any_more_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with Crew(stand_still, 2) as crew:
        assert list(crew.play([str(path)], until=path.exists)) == []
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)
