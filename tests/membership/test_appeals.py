"""A death heard of a member whose link works waits for the member's word."""

from __future__ import annotations

from meshq.machine.effects import StreamPacket
from meshq.membership.appeals import ANSWER_S
from meshq.membership.member import State
from meshq.wire import gossip
from tests.membership.desk import Desk, held, member


def test_of_two_deaths_that_wait_the_later_one_stands_when_no_answer_comes() -> None:
    desk = Desk(others=5, settings="lan")
    desk.run(7.0)
    desk.machine.ask_before_death(lambda _: desk.now)
    desk.machine.effects()
    for incarnation in (0, 4, 2):
        death = member(1, state=State.DEAD, incarnation=incarnation).claim("m2")
        desk.hear(gossip.gossip("m2", [death]), member(2).address)
    assert len([effect for effect in desk.machine.effects() if isinstance(effect, StreamPacket)]) == 1
    assert held(desk) is State.ALIVE
    desk.run(ANSWER_S + 0.01)
    assert held(desk) is State.DEAD
    assert desk.machine.members["m1"].incarnation == 4
