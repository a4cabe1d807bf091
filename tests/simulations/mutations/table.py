"""The table of bugs in ``docs/simulation.md``: written row by row, so that a search that ends early loses nothing.

The page is the store: a row stands until its bug is searched for again. Rows come in the order of the code.
"""

from __future__ import annotations

import re
from typing import Final

from tests.architecture.source import REPOSITORY
from tests.docs.tables import filled
from tests.simulations.mutations.bug import BUGS, Bug
from tests.simulations.mutations.search import Outcome

PAGE: Final = REPOSITORY / "docs" / "simulation.md"
MARK: Final = "bugs"
HEAD: Final = """\
| bug | what is wrong, and where | found by | in, at seed | runs | first words of the finding |
|---|---|---|---|---|---|"""
WORDS_MAX: Final = 110


def rows() -> dict[str, list[str]]:
    """The cells of each row of the page, by the name of its bug."""
    text = PAGE.read_text(encoding="utf-8").split(f"<!-- {MARK}: begin -->")[1].split(f"<!-- {MARK}: end -->")[0]
    found = (re.split(r" (?<!\\)\| ", line.strip("| ")) for line in text.splitlines() if line.startswith("| `"))
    return {cells[0].strip("`"): cells for cells in found}


def put(outcome: Outcome) -> None:
    """Write one bug's row, and leave out those whose bug is no more."""
    known = rows()
    known[outcome.bug] = cells(BUGS[outcome.bug], outcome)
    lines = ["| " + " | ".join(known.get(name) or _unplayed(bug)) + " |" for name, bug in BUGS.items()]
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(filled(page, MARK, "\n".join([HEAD, *lines])), encoding="utf-8")


def what(bug: Bug) -> str:
    """What is wrong, and where."""
    return f"{bug.words} {bug.place}".replace("|", "\\|")


def cells(bug: Bug, outcome: Outcome) -> list[str]:
    """A row."""
    name = f"`{bug.name}`"
    if outcome.found:
        where = f"{outcome.scenario} {outcome.seed}"
        return [name, what(bug), outcome.checker, where, str(outcome.runs), shortened(outcome.finding)]
    tried = f"nothing in seeds 1 to {outcome.seed}, {outcome.cpu_s:.0f} processor s; went wrong {outcome.strikes} times"
    if bug.covered:
        return [name, what(bug), "covered", "-", str(outcome.runs), f"{bug.covered} {tried}"]
    return [name, what(bug), "**not found**", "-", str(outcome.runs), tried]


def _unplayed(bug: Bug) -> list[str]:
    return [f"`{bug.name}`", what(bug), "not searched for yet", "-", "0", "-"]


def shortened(text: str) -> str:
    """The first words, as a cell may hold them."""
    text = re.sub(r"[|`<>*_\[\]\\]", "", re.sub(r"\s+", " ", text))
    return text if len(text) <= WORDS_MAX else text[: WORDS_MAX - 3].rstrip() + "..."
