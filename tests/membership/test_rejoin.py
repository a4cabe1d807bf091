"""Who tries the dead, and when: one node of the mesh after the other."""

from __future__ import annotations

from itertools import pairwise

from meshq.config import membership_profile
from meshq.membership.member import State
from meshq.sim.gossip import Gossip
from meshq.sim.measure.cell import Cell
from tests.membership.desk import member


def test_in_each_interval_one_node_of_the_mesh_tries_one_of_the_dead() -> None:
    """By chance alone one interval in seven has nobody, and a partition would wait."""
    mesh = Gossip(5, 8, config=lambda name: Cell(play="", nodes=8).config("lan", name))
    mesh.start_knowing_each_other()
    tries: list[float] = []
    for machine in [node.machine for node in mesh.running if node.machine is not None]:
        machine._view._remember(member(99, state=State.DEAD))
        machine._rejoin._try = lambda *_: tries.append(mesh.world.now)  # type: ignore[method-assign]
    mesh.world.run_until(220.0)
    interval_s = membership_profile("lan").rejoin_interval_s
    in_each = [len([at for at in tries if 20 + k * interval_s <= at < 20 + (k + 1) * interval_s]) for k in range(40)]
    assert 38 <= sum(in_each) <= 42
    waits = [later - earlier for earlier, later in pairwise(tries) if earlier > 20]
    assert max(waits) < 2.5 * interval_s
