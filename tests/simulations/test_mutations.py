"""Bugs that are planted are found, where the table in ``docs/simulation.md`` says so, and the table is of the bugs that
there are.

Plays a handful of quick ones; ``python -m tests.simulations.mutations`` plays all and writes the table.
"""

from __future__ import annotations

import pytest

from tests.pure import pure_only
from tests.simulations.mutations.__main__ import PARTS
from tests.simulations.mutations.bug import BUGS
from tests.simulations.mutations.search import play
from tests.simulations.mutations.table import rows, what

pytestmark = pure_only

QUICK = (
    "recalled_credit_is_free_at_once",
    "a_recall_takes_a_grant_before_it_is_used",
    "numbers_are_used_again_after_a_restart",
    "a_full_node_takes_more",
    "confirmed_before_the_commit",
    "fsync_asks_for_no_sync",
    "what_is_finished_is_not_written",
    "a_restart_forgets_what_was_finished",
)
AGAIN = "run: python -m tests.simulations.mutations, with the names that changed"


def test_the_table_lists_the_bugs_that_there_are() -> None:
    table = rows()
    assert {name: cells[1] for name, cells in table.items()} == {name: what(bug) for name, bug in BUGS.items()}, AGAIN
    assert list(table) == list(BUGS), AGAIN
    assert len(PARTS) == len({bug.part for bug in BUGS.values()})


def test_every_bug_says_what_is_wrong_and_where() -> None:
    for bug in BUGS.values():
        assert bug.words.endswith((".", ")")), bug.name
        assert bug.attribute in vars(bug.owner), bug.name


@pytest.mark.parametrize("name", QUICK)
def test_a_bug_is_found_where_the_table_says(name: str) -> None:
    _, _, checker, where, *_ = rows()[name]
    scenario, seed = where.split()
    bug = BUGS[name]
    with bug.planted():
        found = play(scenario, int(seed))
    assert found is not None
    assert found[0] == checker.strip("*")
    assert bug.strikes


def test_a_bug_is_gone_when_nobody_plants_it() -> None:
    for bug in BUGS.values():
        right = vars(bug.owner)[bug.attribute]
        with bug.planted():
            assert vars(bug.owner)[bug.attribute] is not right, bug.name
        assert vars(bug.owner)[bug.attribute] is right, bug.name
