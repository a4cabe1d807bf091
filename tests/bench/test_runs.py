"""Each bench once, small, with real processes: that it measures what it says, not how fast."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meshq import blocking
from meshq.bench.crew import BenchError, Crew, Shelf
from meshq.bench.failover import Failover
from meshq.bench.fanout import Fanout
from meshq.bench.latency import Latency
from meshq.bench.memory import Memory
from meshq.bench.mesh import Mesh
from meshq.bench.throughput import Throughput

SMALL = (5_000, 200, 128, 8, "memory", False)
WHOLE = 4_992
"""Messages of the whole batches among them."""


@pytest.fixture
def crew() -> Iterator[Crew]:
    with Crew() as crew:
        yield crew


def quiet(_: str) -> None:
    """Nobody looks."""


def test_every_message_is_taken_once_and_the_origin_says_when_the_last_is_finished(crew: Crew) -> None:
    values = Throughput(*SMALL).measure(crew, quiet).values
    assert values["messages"] == WHOLE
    assert values["confirmed_per_s"] >= values["messages_per_s"] > 0
    assert values["messages_per_take"] > 1


def test_single_publishes_and_single_takes(crew: Crew) -> None:
    values = Throughput(500, 200, 1, 20, "memory", True).measure(crew, quiet).values
    assert values["messages"] == 500
    assert values["messages_per_take"] == 1


@pytest.mark.parametrize("level", ["disk", "fsync"])
def test_at_a_level_with_a_store_the_messages_are_in_the_data_directory(crew: Crew, level: str) -> None:
    values = Throughput(5_000, 200, 128, 8, level, False).measure(crew, quiet).values
    assert values["messages"] == WHOLE
    assert crew.data_bytes("bench") > WHOLE * 200


def test_a_level_that_a_node_does_not_have_is_its_refusal_and_no_figure(crew: Crew) -> None:
    node = crew.node(shelf=Shelf("memory"))
    load = {"messages": 500, "size_bytes": 200, "batch": 128, "calls": 8, "finishes": 0}
    with pytest.raises(BenchError, match="disk"):
        crew.role("publish", node=node.mesh, level="disk", **load).hear()


def test_data_directories_go_with_the_crew() -> None:
    with Crew() as crew:
        crew.node(shelf=Shelf("disk"))
        folder = crew.data("bench")
        assert (folder / "meshq.db").is_file()
    assert not folder.parent.exists()


def test_in_a_mesh_both_far_nodes_share_the_messages(crew: Crew) -> None:
    assert Mesh(*SMALL).measure(crew, quiet).values["messages"] == WHOLE


def test_a_mesh_of_a_bench_can_be_sealed(crew: Crew) -> None:
    assert Mesh(*SMALL, sealed=True).measure(crew, quiet).values["messages"] == WHOLE
    with blocking.connect(crew.launcher.nodes["bench-3"].mesh) as mesh:
        assert len(mesh.ask("keys")["keys"]) == 1


def test_fanout_delivers_every_message_on_every_channel(crew: Crew) -> None:
    values = Fanout(*SMALL, channels=3).measure(crew, quiet).values
    assert values["messages"] == 3 * WHOLE
    assert values["deliveries_per_s"] == 3 * values["messages_per_s"]


@pytest.mark.parametrize("nodes", [1, 2])
def test_latency_is_of_single_messages_with_a_relay_beside_it(crew: Crew, nodes: int) -> None:
    measured = Latency(200, 64, 1000, "memory", nodes).measure(crew, quiet)
    values = measured.values
    assert 0 < values["p50_ms"] <= values["p99_ms"] <= values["max_ms"]
    assert 0 < values["relay_p50_ms"] <= values["relay_p99_ms"]
    assert [part for part, _ in measured.series["delivery"]] == [part for part, _ in measured.series["relay"]]


def test_memory_is_that_of_a_node_which_holds_every_message(crew: Crew) -> None:
    values = Memory(20_000, 1000, 128, "memory", 30).measure(crew, quiet).values
    assert values["batches_bytes_per_message"] > 900
    assert values["singly_bytes_per_message"] > 900
    assert values["consumers_mb"] >= values["empty_mb"] > 10


def test_memory_above_its_budget_goes_to_the_data_directory(crew: Crew) -> None:
    Memory(20_000, 1000, 128, "memory", 30, memory_bytes_max=2_000_000).measure(crew, quiet)
    assert crew.data_bytes("queued-128") > 5_000_000


@pytest.mark.parametrize(("level", "again"), [("memory", False), ("disk", True)])
def test_after_a_kill_nothing_is_lost_that_was_promised(crew: Crew, level: str, again: bool) -> None:
    measured = Failover(1_500, 64, 1_500, level).measure(crew, quiet)
    assert measured.values["lost_of_survivors"] == 0
    if again:
        assert measured.values["lost_with_the_killed"] == 0
    assert measured.values["pause_ms"] > 0
    assert crew.launcher.nodes["bench-3"].running == again
    consumed = measured.series["consumed by the others"]
    assert consumed[0][0] < 0 < consumed[-1][0]
