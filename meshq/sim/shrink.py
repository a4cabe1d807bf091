"""Makes a failing run small: fewer faults, then fewer nodes, then fewer clients and messages, as long as it fails in
the same way.

Decides which smaller stories are played, and when it is enough: when nothing can be left out any more, with the seed
of the failure or with a few others, or when the time is up. What may be left out is in ``smaller``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from meshq.sim.crew import Crew
from meshq.sim.run import Result, play_scenario
from meshq.sim.smaller import PASSES, Smaller
from meshq.sim.story import Story

WITHIN_S: Final = 50.0
SEEDS: Final = 3
"""Other seeds with which smaller stories are tried, once the seed of the failure gives no more."""

Told = Callable[[Story, int], None]


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What became of a failing run."""

    before: Story
    story: Story
    kind: str
    """Of the violation: both stories end with it."""
    result: Result
    """The last run of the small story, under all checkers."""
    tried: int
    """Stories that were played."""
    took_s: float
    """Wall time."""


class Job(NamedTuple):
    """A story to be played, and what it should end with."""

    story: Story
    kind: str
    early: bool
    """Whether that shows before faults end."""


def play(story: Story, sought: str = "", *, early: bool = False) -> Result:
    """Play a story; with ``sought`` only until that kind of violation, if ``early`` in its active part."""
    return play_scenario(story.as_scenario(), story.nodes, story.seed, sought=sought, early=early)


def shrink(
    story: Story,
    failed: Result,
    *,
    processes: int = 1,
    within_s: float = WITHIN_S,
    told: Told = lambda _story, _tried: None,
) -> Shrunk | None:
    """The smallest story found that fails like the first violation of ``failed``, a run of ``story``.

    None when it does not fail again. ``told`` hears of each story played: it, and how many were.
    """
    with Crew(_fails, processes) as crew:
        return Search(crew, failed, within_s, told).run(story)


def _fails(job: Job) -> bool:
    return job.kind in play(job.story, job.kind, early=job.early).kinds


class Search:
    """One search. The crew says of each job whether it ends with the kind of violation that is looked for."""

    def __init__(self, crew: Crew[Job, bool], failed: Result, within_s: float, told: Told) -> None:
        self._crew = crew
        self._kind, at_s = next(iter(failed.kinds.items()))
        began_s, over_s = failed.active
        self._after_s = at_s - began_s
        """When it showed, in the active part."""
        self._early = bool(began_s) and (not over_s or at_s < over_s)
        self._began_s = time.monotonic()
        self._within_s = within_s
        self._told = told
        self._tried: set[Story] = set()

    def run(self, before: Story) -> Shrunk | None:
        """Search, and play what was found under all checkers; None when that does not fail."""
        story = self.smallest(before.until(round(self._after_s + 0.1, 1)) if self._early else before)
        result = play(story)
        if result.ok:
            return None
        return Shrunk(before, story, self._kind, result, len(self._tried), time.monotonic() - self._began_s)

    def smallest(self, story: Story) -> Story:
        """Pass after pass, again and again, until none of them finds anything."""
        seeds = 1
        while not self._over():
            before = story
            for smaller in PASSES:
                story = self._descend(story, smaller, range(before.seed, before.seed + seeds))
            if story == before:
                if seeds > 1:
                    break
                seeds = 1 + SEEDS
        return story

    def _descend(self, story: Story, smaller: Smaller, seeds: range) -> Story:
        """Follow one way of becoming smaller to its end."""
        while (found := self._first(self._untried(story, smaller, seeds))) is not None:
            story = found
        return story

    def _untried(self, story: Story, smaller: Smaller, seeds: range) -> Iterator[Story]:
        for candidate in smaller(story):
            for seed in seeds if candidate.whole and candidate != story else ():
                other = replace(candidate, seed=seed)
                if other not in self._tried:
                    yield other

    def _first(self, stories: Iterator[Story]) -> Story | None:
        """The first of them that is found to fail."""
        jobs = (Job(story, self._kind, self._early) for story in stories)
        with closing(self._crew.play(jobs, until=self._over)) as played:
            for job, fails in played:
                self._tried.add(job.story)
                self._told(job.story, len(self._tried))
                if fails:
                    return job.story
        return None

    def _over(self) -> bool:
        return time.monotonic() - self._began_s > self._within_s
