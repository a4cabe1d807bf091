"""Which of two accounts of a member holds: a table of them in order, each beating all before it."""

from __future__ import annotations

import pytest

from meshq.membership.member import State, member_of, merge, precedence, record_of
from meshq.names import Epoch
from meshq.wire.gossip import Head
from tests.membership.desk import member

OLD, NEW, TIE = Epoch(10, 5), Epoch(11, 1), Epoch(11, 2)
ORDER = [
    (OLD, 0, State.ALIVE),
    (OLD, 0, State.SUSPECT),
    (OLD, 0, State.DEAD),
    (OLD, 1, State.ALIVE),
    (OLD, 1, State.DEAD),
    (OLD, 7, State.SUSPECT),
    (OLD, 0, State.LEFT),
    (OLD, 1, State.LEFT),
    (NEW, 0, State.ALIVE),
    (NEW, 0, State.LEFT),
    (TIE, 0, State.ALIVE),
]


@pytest.mark.parametrize("at", range(len(ORDER)))
def test_each_account_beats_all_before_it(at: int) -> None:
    for before in range(at):
        assert precedence(*ORDER[before]) < precedence(*ORDER[at])


def test_a_member_comes_back_from_its_record() -> None:
    one = member(3, state=State.SUSPECT, incarnation=4).with_(head=Head(1, 2, 3, 4, 5), zone="z", options={"k": 1})
    again = member_of(record_of(one), 0.0)
    assert again == one
    assert again.mark == one.mark
    assert again.row == one.row


def test_a_copy_has_marks_and_rows_of_its_own() -> None:
    one = member(3)
    assert one.mark
    assert one.with_(incarnation=1).mark != one.mark
    assert one.with_(incarnation=1).row != one.row
    assert one.with_(state=State.DEAD).mark == 0


def test_the_later_head_survives_a_merge_within_an_epoch_only() -> None:
    one = member(3).with_(head=Head(9))
    other = member(3, incarnation=1)
    assert merge(one, other).head == Head(9)
    assert merge(one, member(3, epoch=Epoch(2000, 1))).head == Head()
