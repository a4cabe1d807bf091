"""Events between two accounts: every pair of states, so that the stream of one member is a legal path."""

from __future__ import annotations

import pytest

from meshq.membership.member import State
from meshq.membership.story import told
from meshq.names import Epoch
from tests.membership.desk import EPOCH, member

A, S, D, L = State.ALIVE, State.SUSPECT, State.DEAD, State.LEFT
LATER = Epoch(EPOCH.ms + 1, 0)


@pytest.mark.parametrize(
    ("before", "after", "later", "kinds"),
    [
        (None, A, False, ["MemberJoined"]),
        (None, S, False, ["MemberJoined", "MemberSuspected"]),
        (None, D, False, []),
        (None, L, False, []),
        (A, A, False, []),
        (A, S, False, ["MemberSuspected"]),
        (A, D, False, ["MemberFailed"]),
        (A, L, False, ["MemberLeft"]),
        (A, A, True, ["MemberJoined"]),
        (A, S, True, ["MemberJoined", "MemberSuspected"]),
        (S, A, False, ["MemberRecovered"]),
        (S, S, False, []),
        (S, D, False, ["MemberFailed"]),
        (S, L, False, ["MemberLeft"]),
        (S, A, True, ["MemberJoined"]),
        (S, S, True, ["MemberJoined", "MemberSuspected"]),
        (D, A, False, ["MemberJoined"]),
        (D, S, False, ["MemberJoined", "MemberSuspected"]),
        (D, L, False, []),
        (D, A, True, ["MemberJoined"]),
        (L, A, True, ["MemberJoined"]),
        (L, D, True, []),
    ],
)
def test_what_a_change_is_told_by(before: State | None, after: State, later: bool, kinds: list[str]) -> None:
    old = None if before is None else member(1, state=before)
    new = member(1, state=after, epoch=LATER if later else EPOCH)
    assert [type(event).__name__ for event in told(old, new, "x")] == kinds
