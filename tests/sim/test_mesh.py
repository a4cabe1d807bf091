"""The public simulated mesh: real nodes and users' own asyncio code in virtual time, and what fate does to them."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import meshq
from meshq.errors import Closed, LocalProtocolError, MeshError, Unconfirmed
from meshq.machine import events
from meshq.sim import Crash, Mesh, Weather


async def consume(node: meshq.Node, take: Callable[[bytes], object], channel: str = "billing") -> None:
    async with node.subscribe("orders", channel) as messages:
        async for message in messages:
            async with message:
                take(message.body)


def test_a_message_goes_from_one_node_to_another_and_no_real_time_passes() -> None:
    mesh = Mesh(nodes=3, seed=7)

    async def main() -> bytes:
        async with mesh.node("n2").subscribe("orders", "billing") as messages:
            receipt = await mesh.node("n1").publish("orders", b"one")
            assert (receipt.node, receipt.level) == ("n1", "disk")
            await asyncio.sleep(1000)
            message = await anext(messages)
            message.finish()
            return message.body

    assert mesh.run(main()) == b"one"
    assert mesh.now_s > 1000


def test_the_nodes_are_the_class_that_services_embed() -> None:
    mesh = Mesh(nodes=["here", "there"])

    async def main() -> list[str]:
        assert type(mesh.node("here")) is meshq.Node
        return sorted(member["name"] for member in await mesh.node("here").members())

    assert mesh.run(main()) == ["here", "there"]


def test_a_thin_client_and_a_node_of_the_storys_own_find_the_mesh_by_host_name() -> None:
    mesh = Mesh(nodes=2)

    async def main() -> tuple[str, list[str]]:
        async with meshq.connect("n2") as client, meshq.Node(seeds=["n1"], name="mine") as mine:
            await client.publish("orders", b"x")
            return client.node_name, sorted(member["name"] for member in await mine.members())

    assert mesh.run(main()) == ("n2", ["mine", "n1", "n2"])


def test_a_service_runs_beside_its_node_dies_with_it_and_begins_anew() -> None:
    mesh = Mesh(nodes=3, seed=3)
    begun: list[float] = []
    left: list[str] = []
    seen: list[bytes] = []

    async def billing() -> None:
        begun.append(mesh.now_s)
        try:
            await consume(mesh.node("n2"), seen.append)
        finally:
            left.append("finally")

    mesh.service("n2", billing)

    async def main() -> None:
        await mesh.node("n1").publish("orders", b"before")
        await mesh.run_until(lambda: b"before" in seen)
        mesh.crash("n2")
        await mesh.node("n1").publish("orders", b"while it is down")
        await asyncio.sleep(5)
        assert left == []  # kill -9 lets nobody clean up
        assert b"while it is down" not in seen
        mesh.restart("n2")
        await mesh.run_until(lambda: b"while it is down" in seen)

    mesh.run(main())
    assert len(begun) == 2


def test_a_paused_service_stands_still_and_goes_on_where_it_was() -> None:
    mesh = Mesh(nodes=1)
    ticks: list[float] = []

    async def clock() -> None:
        while True:
            ticks.append(mesh.now_s)
            await asyncio.sleep(1)

    mesh.service("n1", clock)

    async def main() -> None:
        await asyncio.sleep(3.5)
        mesh.pause("n1")
        stood = len(ticks)
        await asyncio.sleep(10)
        assert len(ticks) == stood
        mesh.resume("n1")
        await asyncio.sleep(3)
        assert stood + 3 <= len(ticks) <= stood + 4

    mesh.run(main())


def test_a_service_on_a_host_of_its_own_reaches_the_mesh_as_it_would_in_the_field() -> None:
    mesh = Mesh(nodes=2)
    seen: list[bytes] = []

    async def shop() -> None:
        async with meshq.connect("n1") as client:
            await client.publish("orders", b"from the shop")

    mesh.service("n2", lambda: consume(mesh.node("n2"), seen.append))
    mesh.service("shop", shop)
    mesh.run(mesh.run_until(lambda: seen == [b"from the shop"]))


def test_what_a_caller_holds_of_a_crashed_node_says_so_at_once() -> None:
    mesh = Mesh(nodes=3)

    async def main() -> None:
        node = mesh.node("n1")
        pending = asyncio.create_task(node.subscribe("t", "c", barrier_s=100).__aenter__())
        publish = asyncio.create_task(node.publish("t", b"x"))
        mesh.crash("n1")
        began_s = mesh.now_s
        with pytest.raises(MeshError):
            await pending
        with pytest.raises((Unconfirmed, Closed)):
            await publish
        with pytest.raises(Closed):
            await node.publish("t", b"y")
        assert mesh.now_s - began_s < 1
        with pytest.raises(Closed, match="up"):
            mesh.node("n1")
        mesh.restart("n1")
        assert (await mesh.up("n1")) is not node

    mesh.run(main())


def test_a_partition_parts_heals_and_nothing_is_lost() -> None:
    mesh = Mesh(nodes=3, seed=2)
    seen: list[bytes] = []
    mesh.service("n3", lambda: consume(mesh.node("n3"), seen.append))

    async def main() -> None:
        await mesh.node("n1").publish("orders", b"1")
        await mesh.run_until(lambda: len(seen) == 1)
        heal = mesh.partition(["n1", "n2"], ["n3"])
        await mesh.node("n1").publish("orders", b"2")
        await asyncio.sleep(30)
        assert len(seen) == 1
        heal()
        await mesh.run_until(lambda: seen == [b"1", b"2"])
        assert any(type(each.event) is events.MemberFailed for each in mesh.events)

    mesh.run(main())


@pytest.mark.parametrize(("store", "level", "disk", "left"), [
    (True, "disk", "kept", [b"order"]), (True, "disk", "lost", []), (True, "disk", "unsynced-lost", []),
    (True, "fsync", "unsynced-lost", [b"order"]), (True, "memory", "kept", []), (False, "memory", "kept", []),
])  # fmt: skip
def test_a_node_that_starts_again_has_what_its_store_and_the_level_of_the_message_kept(
    store: bool, level: str, disk: Any, left: list[bytes]
) -> None:
    mesh = Mesh(nodes=2, store=store)
    seen: list[bytes] = []

    async def main() -> None:
        receipt = await mesh.node("n1").publish("orders", b"order", level=level if store else "")
        assert receipt.level == level
        mesh.crash("n1", disk=disk)
        mesh.restart("n1")
        await mesh.up("n1")
        mesh.service("n2", lambda: consume(mesh.node("n2"), seen.append))
        await asyncio.sleep(5)

    mesh.run(main())
    assert seen == left


def test_every_verb_of_fate_can_be_said_and_undone() -> None:
    mesh = Mesh(nodes=3)

    async def main() -> None:
        for undo in (
            mesh.partition(["n1"], ["n2"]), mesh.one_way("n1", "n2"), mesh.lossy(0.2), mesh.slow("n1"),
            mesh.storm(Weather(latency_s=0.05), "n1"), mesh.pause("n2"),
        ):  # fmt: skip
            await asyncio.sleep(0.2)
            undo()
        mesh.cut("n1", "n2")
        mesh.cut("n1", "n3", silently=True)
        mesh.skew("n1", 60.0, drift=0.01)
        mesh.heal()
        mesh.befall([Crash(at_s=0.5, for_s=1.0, node="n3")])
        await asyncio.sleep(0.6)
        with pytest.raises(Closed):
            mesh.node("n3")
        await mesh.up("n3")
        mesh.crash("n2", disk="unsynced-lost")
        mesh.restart("n2")
        node = await mesh.up("n2")
        await mesh.run_until(lambda: len(mesh.events) > 0)
        assert {member["state"] for member in await node.members()} <= {"alive", "suspect"}

    mesh.run(main())
    assert "n3: process crashes" not in mesh.report()
    assert "process crashes" in mesh.report()
    planned, happened, _ = (line for line in mesh.report().splitlines() if "Crash node='n3'" in line)
    at_s = float(happened.split()[0])  # the plan's times are the timeline's
    assert f"at {at_s:7.3f} s: Crash" in planned


def test_a_swarm_is_drawn_by_the_seed() -> None:
    async def nothing() -> None:
        await asyncio.sleep(30)

    plans, traces = [], []
    for seed in (4, 4, 5):
        mesh = Mesh(nodes=3, seed=seed)
        plans.append(repr(mesh.swarm(6)))
        mesh.run(nothing())
        traces.append(mesh.trace)
    assert plans[0] == plans[1] != plans[2]
    assert traces[0] == traces[1] != traces[2]


def test_a_run_can_be_drawn_while_it_lasts_and_afterwards(tmp_path: Path) -> None:
    mesh = Mesh(nodes=3)

    async def main() -> None:
        mesh.befall([Crash(at_s=1.0, for_s=20.0, node="n3")])
        mesh.partition(["n1"], ["n2"])
        await asyncio.sleep(15)
        mesh.draw(tmp_path / "meanwhile.svg")

    mesh.run(main())
    mesh.draw(tmp_path / "after.svg")
    meanwhile, after = ((tmp_path / name).read_text() for name in ("meanwhile.svg", "after.svg"))
    assert meanwhile == after
    for text in ("n3", "seed 1", "partition n1 | n2"):
        assert text in after, text
    ElementTree.fromstring(after)


def test_a_failing_service_ends_the_run_with_its_error_and_says_where_it_ran() -> None:
    mesh = Mesh(nodes=1, seed=9)

    async def broken() -> None:
        await asyncio.sleep(1)
        raise ZeroDivisionError("oops")

    mesh.service("n1", broken)
    with pytest.raises(ZeroDivisionError) as caught:
        mesh.run(asyncio.sleep(3600))
    assert "n1" in caught.value.__notes__[0]
    assert "seed 9" in caught.value.__notes__[0]


def test_a_story_that_never_ends_is_ended() -> None:
    mesh = Mesh(nodes=1)
    with pytest.raises(TimeoutError, match="60 virtual seconds"):
        mesh.run(asyncio.Event().wait(), within_s=60)


def test_a_condition_that_never_holds_is_told_with_the_seed() -> None:
    mesh = Mesh(nodes=1, seed=31)
    with pytest.raises(TimeoutError, match="seed 31"):
        mesh.run(mesh.run_until(lambda: False, within_s=5))


def test_ctrl_c_ends_a_run_at_once_though_a_service_clings_to_life() -> None:
    mesh = Mesh(nodes=2)

    async def clings() -> None:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    async def main() -> None:
        await asyncio.sleep(10)
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(1e6)

    mesh.service("n1", clings)
    with pytest.raises(KeyboardInterrupt):
        mesh.run(main(), within_s=1e7)
    assert mesh.now_s < 100


def test_wrong_use_says_what_is_right() -> None:
    mesh = Mesh(nodes=2)

    async def main() -> None:
        for wrong in (lambda: mesh.crash("n7"), lambda: mesh.node("n7"), lambda: mesh.partition(["n1"], ["n7"])):
            with pytest.raises(LocalProtocolError, match="n1, n2"):
                wrong()
        loop = asyncio.get_running_loop()
        with pytest.raises(NotImplementedError, match="nothing real"):
            await loop.create_server(asyncio.Protocol, "localhost", 80)
        with pytest.raises(meshq.Unreachable, match="no simulated host"):
            await meshq.connect("elsewhere.example")

    mesh.run(main())
    with pytest.raises(LocalProtocolError, match="one run"):
        mesh.run(main())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda mesh: mesh.partition(["n1"]), lambda mesh: mesh.partition(["n1", "n2"], ["n2"]),
        lambda mesh: mesh.partition("n1", "n2"), lambda mesh: mesh.cut("n1", "n1"), lambda mesh: mesh.lossy(5),
        lambda mesh: mesh.storm(Weather(latency_s=-1.0)), lambda mesh: mesh.slow("n1", 0.0),
        lambda mesh: mesh.crash("n1", disk="gone"), lambda mesh: mesh.befall([Crash(at_s=1.0, node="n7")]),
        lambda mesh: mesh.befall([Crash(at_s=-1.0, node="n1")]), lambda mesh: mesh.swarm(-1),
        lambda mesh: mesh.swarm(kinds=["crashes"]), lambda mesh: mesh.swarm(kinds="crash"),
        lambda mesh: mesh.swarm(among="n1"), lambda mesh: mesh.service("n1", asyncio.sleep(1)),
        lambda mesh: mesh.draw("never.svg"), lambda mesh: mesh.node("n1"), lambda mesh: mesh.run(asyncio.sleep),
        lambda _: Mesh(nodes=0), lambda _: Mesh(nodes=["a", "a"]), lambda _: Mesh(nodes="abc"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_before_anything_happens(wrong: Callable[[Mesh], object]) -> None:
    mesh = Mesh(nodes=2)
    with pytest.raises(LocalProtocolError):
        wrong(mesh)
    assert mesh.plan == []
    mesh.run(asyncio.sleep(0))


def test_an_async_condition_is_refused_and_does_not_count_as_one_that_holds() -> None:
    async def holds() -> bool:
        return False

    mesh: Any = Mesh(nodes=1)
    with pytest.raises(LocalProtocolError, match="plain function"):
        mesh.run(mesh.run_until(holds))


def test_a_mesh_within_another_loop_says_what_to_do() -> None:
    mesh = Mesh(nodes=1)

    async def elsewhere() -> None:
        with pytest.raises(LocalProtocolError, match="does not run"):
            await mesh.up("n1")
        with pytest.raises(LocalProtocolError, match="another event loop"):
            mesh.run(asyncio.sleep(1))

    asyncio.run(elsewhere())


def test_a_service_of_a_new_host_begins_once_however_late_it_is_given() -> None:
    mesh = Mesh(nodes=1)
    begun: list[str] = []

    async def begin(name: str) -> None:
        begun.append(name)
        await asyncio.Event().wait()

    async def main() -> None:
        mesh.service("app", lambda: begin("first"))
        await asyncio.sleep(1)
        mesh.service("app", lambda: begin("second"))
        await asyncio.sleep(1)
        assert begun == ["first", "second"]
        mesh.crash("app")
        assert not mesh.runs("app")
        mesh.restart("app")
        mesh.service("app", lambda: begin("third"))
        await asyncio.sleep(1)
        assert begun == ["first", "second", "first", "second", "third"]
        with pytest.raises(LocalProtocolError, match="no node of the mesh"):
            await mesh.up("app")

    mesh.run(main())


def test_the_clocks_of_time_are_virtual_and_a_services_wall_clock_is_its_hosts() -> None:
    mesh = Mesh(nodes=1)
    real = time.time()
    read: list[float] = []

    async def main() -> None:
        mesh.skew("n1", 3600.0)
        began = time.monotonic(), time.time(), time.perf_counter()
        await asyncio.sleep(100)
        ended = time.monotonic(), time.time(), time.perf_counter()
        assert [round(late - early, 3) for late, early in zip(ended, began, strict=True)] == [100.0] * 3
        mesh.service("n1", read_clock)
        await asyncio.sleep(1)
        assert read[0] - time.time() == pytest.approx(3600.0, abs=2.0)

    async def read_clock() -> None:
        read.append(time.time())

    mesh.run(main())
    assert 0 <= time.time() - real < 60


def test_two_nodes_on_one_host_are_refused() -> None:
    mesh = Mesh(nodes=1)

    async def second() -> None:
        async with meshq.Node(name="second"):
            pass

    mesh.service("n1", second)
    with pytest.raises(meshq.ConfigError, match="host of its own"):
        mesh.run(asyncio.sleep(10))


def test_threads_are_called_on_the_spot_and_the_programs_own_chance_follows_from_the_seed() -> None:
    async def main() -> tuple[Any, float]:
        return await asyncio.to_thread(sum, [1, 2]), random.random()

    random.seed(0)
    before = random.getstate()
    one, again, other = (Mesh(nodes=1, seed=seed).run(main()) for seed in (1, 1, 2))
    assert one == again
    assert one[0] == other[0] == 3
    assert one[1] != other[1]
    assert random.getstate() == before


def test_code_that_polls_without_waiting_sees_time_pass() -> None:
    mesh = Mesh(nodes=1)

    async def main() -> None:
        later = mesh.now_s + 0.01
        while mesh.now_s < later:  # noqa: ASYNC110 - this is what is tested
            await asyncio.sleep(0)

    mesh.run(main())


STORY = """
import asyncio
from meshq.sim import Mesh
mesh = Mesh(nodes=4, seed=11)
seen = set()
async def consume(name):
    async with mesh.node(name).subscribe("orders", "billing", max_in_flight=8) as messages:
        async for message in messages:
            async with message:
                await asyncio.sleep(0.01)
                seen.add(message.body)
for name in mesh.names:
    mesh.service(name, lambda name=name: consume(name))
async def main():
    mesh.swarm(5, within_s=10)
    sent = 0
    while mesh.now_s < 20:
        await asyncio.sleep(0.05)
        try:
            await mesh.node("n1").publish("orders", b"%d" % sent, timeout_s=1)
            sent += 1
        except Exception as error:
            print(repr(error))
    print(sent, len(seen))
mesh.run(main())
print(mesh.trace, mesh.now_s)
"""


def test_services_do_the_same_under_any_hash_seed() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", STORY],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]  # fmt: skip
    assert outputs[0] == outputs[1]
    assert outputs[0]
