"""Membership alone, at sizes that engines would be too slow for; ``MESHQ_BIG=1`` plays a thousand nodes for a
minute."""

from __future__ import annotations

import os
import time

import pytest

from meshq.membership.member import State
from meshq.sim.gossip import Gossip, run_gossip
from meshq.sim.network import Weather


def test_a_crash_is_detected_and_known_to_all_and_nobody_else_is_accused() -> None:
    result = run_gossip(50, 40.0, 1, crash_at_s=10.0)
    assert result.disagreement == ""
    assert result.counters.false_deaths == 0
    assert result.detected_s is not None
    assert result.known_s is not None
    assert 1.0 < result.detected_s <= result.known_s < 25.0


def test_the_same_seed_gives_the_same_trace() -> None:
    one, again, other = (run_gossip(20, 10.0, seed).trace_hash for seed in (1, 1, 2))
    assert one == again != other


def test_nodes_that_know_one_seed_all_find_each_other() -> None:
    from meshq.config import Config

    gossip = Gossip(3, 20, config=lambda name: Config(name=name, seeds=() if name == "m0" else ("m0:4155",)))
    for number, name in enumerate(gossip.nodes):
        gossip.start(name, at_s=0.1 * number)
    assert gossip.world.run_while(lambda: bool(gossip.disagreement()), within_s=30.0), gossip.disagreement()


def test_a_partition_longer_than_every_suspicion_heals() -> None:
    gossip = Gossip(5, 12)
    gossip.start_knowing_each_other()
    gossip.world.run_until(5.0)
    nodes = list(gossip.nodes.values())
    pairs = [(a.address[0], b.address[0]) for a in nodes[:5] for b in nodes[5:]]
    for one, other in pairs:
        gossip.paths.cut(one, other)
        gossip.paths.cut(other, one)
    gossip.world.run_until(65.0)
    assert any(verdict.state is State.DEAD for verdict in gossip.verdicts)
    gossip.paths.mend_all()
    assert gossip.world.run_while(lambda: bool(gossip.disagreement()), within_s=40.0), gossip.disagreement()


def test_loss_kills_nobody() -> None:
    gossip = Gossip(2, 16, weather=Weather(latency_s=0.002, jitter_s=0.001, loss=0.05))
    gossip.start_knowing_each_other()
    gossip.world.run_until(60.0)
    assert gossip.counters.false_deaths == 0


@pytest.mark.skipif("MESHQ_BIG" not in os.environ, reason="takes a core for most of a minute; set MESHQ_BIG=1")
def test_a_thousand_nodes_for_a_minute_in_a_minute() -> None:
    began = time.perf_counter()
    result = run_gossip(1000, 60.0, 1)
    assert result.disagreement == ""
    assert result.counters.deaths == 0
    assert time.perf_counter() - began < 60.0
