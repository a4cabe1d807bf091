"""Many rounds, told one by one, and what came of them all.

A round that can't be played to its end (a node did not start, a client failed) counts as failed: nothing was lost that
is known of, and nothing was shown to be kept either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from meshq.bench.crash.plan import KINDS, plan
from meshq.bench.crash.round import Played, Round, Work
from meshq.bench.crash.toll import Toll
from meshq.bench.crew import Crew
from meshq.bench.figures import Spread
from meshq.bench.host import data_place, describe
from meshq.bench.repeat import Say
from meshq.bench.show import KEPT, MISSED, console, document, progress, table
from meshq.errors import MeshError

ERROR_CHARACTERS_MAX: Final = 4_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one round: what was played, or why it failed."""

    number: int
    seed: int
    played: Played | None
    error: str = ""

    @property
    def kept(self) -> bool:
        """Whether all of it went well."""
        return self.played is not None and self.played.toll.kept

    def line(self) -> str:
        """For people."""
        if self.played is None:
            return f"round {self.number:>3}  FAILED: {self.error}"
        toll = self.played.toll
        return (
            f"round {self.number:>3}  {', '.join(each.kind for each in plan(self.seed, self.number)):<24}  "
            f"{toll.confirmed:>9,} confirmed  {toll.lost:>5,} lost  {sum(toll.redelivered):>7,} redelivered"
            + (f"  {toll.left:,} UNFINISHED" if toll.left else "")
        )

    def document(self) -> dict[str, Any]:
        """For programs."""
        accidents = [asdict(accident) for accident in plan(self.seed, self.number)]
        told = {"round": self.number, "seed": self.seed, "kept": self.kept, "accidents": accidents}
        if self.played is None:
            return {**told, "error": self.error}
        return {**told, **asdict(self.played.toll), "ready_s": [round(each, 3) for each in self.played.ready_s]}


@dataclass(frozen=True)
class Outcomes:
    """Of all rounds."""

    work: Work
    seed: int
    rounds: Sequence[Outcome]

    @property
    def kept(self) -> bool:
        """Whether all rounds went well."""
        return all(each.kept for each in self.rounds)

    def total(self, count: Callable[[Toll], int]) -> int:
        """The sum over the rounds that were played."""
        return sum(count(each.played.toll) for each in self.rounds if each.played is not None)

    def by_kind(self, kind: str) -> list[tuple[int, float]]:
        """What came again after each accident of that kind, and how long its nodes took to be ready."""
        return [
            (redelivered, ready_s)
            for each in self.rounds
            if each.played is not None
            for accident, redelivered, ready_s in zip(
                plan(each.seed, each.number), each.played.toll.redelivered, each.played.ready_s, strict=True
            )
            if accident.kind == kind
        ]

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "bench": "crash",
            "settings": {**asdict(self.work), "seed": self.seed},
            "kept": self.kept,
            "failed": [each.number for each in self.rounds if not each.kept],
            "confirmed": self.total(lambda toll: toll.confirmed),
            "lost": self.total(lambda toll: toll.lost),
            "unfinished": self.total(lambda toll: toll.left),
            "unconfirmed": self.total(lambda toll: toll.unconfirmed),
            "redelivered": self.total(lambda toll: sum(toll.redelivered)),
            "accidents": {kind: self._kind(kind) for kind in KINDS},
            "rounds": [each.document() for each in self.rounds],
            "host": describe(),
        }

    def _kind(self, kind: str) -> dict[str, Any]:
        after = self.by_kind(kind)
        if not after:
            return {"kills": 0}
        redelivered, ready_s = zip(*after, strict=True)
        return {
            "kills": len(after),
            "redelivered": asdict(Spread.of(redelivered)),
            "ready_s": {name: round(value, 3) for name, value in asdict(Spread.of(ready_s)).items()},
        }


def run(work: Work, *, seed: int, numbers: Iterable[int], as_json: bool) -> int:
    """Play these rounds and tell of them; the exit status: 4 when something was lost, or a round failed."""
    out = console()
    if not as_json:
        out.print(f"crash: seed {seed}, level {work.level}, {data_place()}", soft_wrap=True)
    done: list[Outcome] = []
    with progress(as_json=as_json) as say:
        for number in numbers:
            done.append(play(work, seed, number, say))
            if not as_json:
                out.print(done[-1].line(), soft_wrap=True)
                if not done[-1].kept:
                    again = f"meshq bench crash --level {work.level} --seed {seed} --from {number} --rounds 1"
                    out.print(f"           play it again: {again}", soft_wrap=True)
    outcomes = Outcomes(work, seed, done)
    if as_json:
        document(outcomes.document())
    else:
        _people(outcomes)
    return KEPT if outcomes.kept else MISSED


def play(work: Work, seed: int, number: int, say: Say) -> Outcome:
    """One round, with nodes and data directories of its own."""

    def say_of_round(what: str) -> None:
        say(f"round {number}: {what}")

    with Crew() as crew:
        try:
            return Outcome(number, seed, Round(crew, work, say_of_round).play(plan(seed, number)))
        except MeshError as exc:
            return Outcome(number, seed, None, str(exc)[:ERROR_CHARACTERS_MAX])


def _people(outcomes: Outcomes) -> None:
    out = console()
    shown = table("KILLED WITH -9", "TIMES", "REDELIVERED", "MEDIAN", "MAX", "READY AGAIN", "MEDIAN", "MAX")
    for kind in KINDS:
        if after := outcomes.by_kind(kind):
            redelivered, ready_s = (Spread.of(each) for each in zip(*after, strict=True))
            counts = [f"{value:,.0f}" for value in (redelivered.min, redelivered.median, redelivered.max)]
            times = [f"{value:.1f} s" for value in (ready_s.min, ready_s.median, ready_s.max)]
            shown.add_row(kind, f"{len(after):,}", *counts, *times)
    out.print()
    out.print(shown)
    lost = outcomes.total(lambda toll: toll.lost)
    confirmed = outcomes.total(lambda toll: toll.confirmed)
    out.print(
        f"{len(outcomes.rounds)} rounds: {confirmed:,} messages confirmed, {lost:,} lost, "
        f"{outcomes.total(lambda toll: sum(toll.redelivered)):,} redelivered, "
        f"{outcomes.total(lambda toll: toll.unconfirmed):,} published without an answer",
        style="bold green" if outcomes.kept else "bold red",
        soft_wrap=True,
    )
    if not outcomes.kept:
        failed = ", ".join(str(each.number) for each in outcomes.rounds if not each.kept)
        out.print(f"not kept in: {failed}", style="bold red", soft_wrap=True)
