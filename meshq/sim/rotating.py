"""The scenarios of a mesh with a key. Their docstrings say which plausible design they break."""

from __future__ import annotations

from meshq.sim.checkers.sealed import Sealed
from meshq.sim.crowd import crowd, pair
from meshq.sim.faults import Crash, Fault, LinkCut, Storm
from meshq.sim.network import Weather
from meshq.sim.scenario import scenario
from meshq.sim.stage import Settings, Stage


def _sealed() -> Settings:
    return Settings(sealed=True)


@scenario("rotating", active_s=20.0, settings=_sealed, more=(Sealed,))
def rotating(stage: Stage) -> list[Fault]:
    """The key of the mesh is replaced again and again, while packets are lost and doubled, links are cut, and nodes are
    killed and start again with what their key file holds. Breaks a new key that is used before all have it, an old one
    that goes too early or stays, keys that a restart forgets, and streams that outlive their key."""
    rng = stage.rng("rotating")
    crowd(stage)
    operator = stage.operator(rng.choice(stage.names))
    stage.act(0.5, operator.rotate)
    plan: list[Fault] = [Storm(at_s=0.0, for_s=18.0, weather=Weather(loss=0.02, duplication=0.1, reordering=0.1))]
    for at_s in range(2, 17, 3):
        one, other = pair(rng, stage.names)
        plan.append(LinkCut(at_s=at_s + rng.random(), one=one, other=other))
    for crash_s in (3.0, 11.0):
        plan.append(Crash(at_s=crash_s + rng.random(), for_s=rng.uniform(0.5, 5.0), node=rng.choice(stage.names)))
    return sorted(plan, key=lambda fault: fault.at_s)
