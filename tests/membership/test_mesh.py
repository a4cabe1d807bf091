"""Whole meshes in virtual time: they form, notice the dead and nobody else, and heal. Each over a few seeds.

``MESHQ_MESH_SEEDS=200`` runs as many of each.
"""

from __future__ import annotations

import os

import pytest

from meshq.config import MembershipConfig
from meshq.errors import ConfigError, Fenced
from meshq.machine.events import Alone, MemberFailed, MemberJoined, MemberLeft, MemberSuspected, SeedFailed, Trouble
from meshq.membership.effects import EpochRaised, HeadChanged
from meshq.membership.member import Member, State
from meshq.names import Epoch
from meshq.wire.gossip import Head
from tests.membership.mesh import EPOCH_MS, PORT, Mesh

SEEDS = range(1, 1 + int(os.environ.get("MESHQ_MESH_SEEDS", "3")))


def names(start: int, stop: int) -> list[str]:
    """``n<start>`` to ``n<stop - 1>``."""
    return [f"n{number}" for number in range(start, stop)]


def formed(seed: int, count: int, *, loss: float = 0.0) -> Mesh:
    """A mesh whose nodes joined by one seed."""
    mesh = Mesh(seed, loss=loss)
    mesh.add(count)
    mesh.run(1.0)
    mesh.run_until(mesh.agreed, 30)
    return mesh


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [2, 5, 30])
def test_all_views_agree_after_joining_by_one_seed(count: int, seed: int) -> None:
    mesh = Mesh(seed)
    mesh.add(count)
    mesh.run(1.0)
    mesh.run_until(mesh.agreed, 5)
    assert all(node.on.joined for node in mesh.running[1:])
    assert mesh.running[0].on.alone
    assert not any(node.told(MemberSuspected) for node in mesh.running)


@pytest.mark.parametrize("seed", SEEDS)
def test_nodes_that_are_each_others_seeds_find_each_other(seed: int) -> None:
    mesh = Mesh(seed)
    for name in names(0, 3):
        mesh.names[name] = [(f"10.0.0.{int(name[1:]) + 1}", 0)]
    for name in names(0, 3):
        mesh.start(name, ("n0", "n1", "n2"))
    mesh.run_until(mesh.agreed, 8)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [2, 3, 8, 30])
def test_a_crash_is_noticed_by_all_within_the_bound(count: int, seed: int) -> None:
    mesh = Mesh(seed)
    mesh.full(count)
    mesh.run(3.0)
    mesh.crash("n1")
    took_s = mesh.run_until(mesh.agreed, 60)
    assert took_s < 16
    assert all(len(node.told(MemberFailed, "n1")) == 1 for node in mesh.running)
    assert mesh.false_deaths() == 0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [2, 5, 20])
def test_nobody_dies_of_five_percent_of_loss(count: int, seed: int) -> None:
    mesh = formed(seed, count, loss=0.05)
    mesh.run(90)
    mesh.run_until(mesh.agreed, 30)
    assert mesh.false_deaths() == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_quarter_of_the_packets_lost_is_survived_without_deaths(seed: int) -> None:
    mesh = Mesh(seed, loss=0.25)
    mesh.full(8)
    mesh.run(60)
    assert mesh.false_deaths() == 0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 3), (8, 8)])
def test_a_partition_of_ten_minutes_heals_by_itself(one: int, other: int, seed: int) -> None:
    mesh = Mesh(seed)
    mesh.full(one + other)
    mesh.run(2)
    mesh.separate(names(0, one), names(one, one + other))
    mesh.run(600)
    assert len(mesh.nodes["n0"].on.alive()) == one - 1
    mesh.heal()
    mesh.run_until(mesh.agreed, 60)
    epochs = {node.name: node.on.me.epoch for node in mesh.running}
    mesh.run(30)
    assert mesh.agreed()
    assert {node.name: node.on.me.epoch for node in mesh.running} == epochs


@pytest.mark.parametrize("seed", SEEDS)
def test_a_partition_heals_though_many_are_gone_for_good(seed: int) -> None:
    """Two thousand names that were in the mesh once, the newest first: the few that a partition took are among them."""
    mesh = Mesh(seed)
    mesh.full(4)
    for number in range(2_000):
        address = (f"10.9.{number // 250}.{number % 250 + 1}", PORT)
        mesh.lived_at(address)
        gone = Member(f"old{number}", address, Epoch(5, number), state=State.DEAD)
        for node in mesh.running:
            node.on._view._remember(gone)
    mesh.run(2)
    mesh.separate(["n0", "n1"], ["n2", "n3"])
    mesh.run(40)
    mesh.heal()
    mesh.run_until(mesh.agreed, 120)


@pytest.mark.parametrize("seed", SEEDS)
def test_of_two_nodes_of_one_name_that_began_alone_the_earlier_one_stops(seed: int) -> None:
    """Its seed was not there at first, and then is a node of its own name."""
    mesh = Mesh(seed)
    mesh.names["n9"] = []
    low = mesh.start("web", ("n9",))
    mesh.run(5)
    assert low.on.alone
    mesh.nodes["web at first"] = mesh.nodes.pop("web")
    high = mesh.start("web", host="10.0.9.9")
    mesh.names["n9"] = [high.address]
    mesh.run(60)
    assert isinstance(low.stopped, Fenced)
    assert high.stopped is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_partition_heals_by_a_seed_that_was_unknown_to_both_sides(seed: int) -> None:
    mesh = Mesh(seed)
    mesh.start("n0")
    mesh.start("n1", ("n0",))
    mesh.start("n2", ("n3",))
    mesh.run(10)
    assert mesh.nodes["n2"].on.alone
    assert mesh.nodes["n2"].told(Alone)
    mesh.names["n3"] = [("10.0.0.1", 0)]
    mesh.run_until(mesh.agreed, 60)
    assert mesh.nodes["n2"].on.joined
    assert not mesh.nodes["n2"].on.alone


@pytest.mark.parametrize("seed", SEEDS)
def test_a_restarted_node_is_known_by_its_later_epoch_at_once(seed: int) -> None:
    mesh = formed(seed, 5)
    before = mesh.nodes["n2"].on.me.epoch
    mesh.crash("n2")
    mesh.run(0.5)
    node = mesh.start("n2", ("n0",))
    took_s = mesh.run_until(mesh.agreed, 5)
    assert took_s < 3
    assert node.on.me.epoch > before
    assert all(len(other.told(MemberJoined, "n2")) == 2 for other in mesh.running if other is not node)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [2, 3, 12])
def test_a_first_node_that_restarts_at_once_and_has_no_seeds_is_found_by_the_others(count: int, seed: int) -> None:
    """Its new self answers pings meant for the old one, so nobody suspects it: the digests tell."""
    mesh = formed(seed, count)
    mesh.run(5)
    mesh.crash("n0")
    mesh.run(0.3)
    mesh.start("n0")
    assert mesh.run_until(mesh.agreed, 30) < 12


@pytest.mark.parametrize("seed", SEEDS)
def test_a_restarted_node_hands_its_own_row_to_its_seed_though_all_rumours_are_lost(seed: int) -> None:
    mesh = Mesh(seed)
    mesh.add(5)
    mesh.run(10.0)
    mesh.crash("n3")
    mesh.loss = 1.0
    node = mesh.start("n3", ("n0",))
    mesh.run(0.1)
    assert mesh.nodes["n0"].on.members["n3"].epoch == node.on.me.epoch


@pytest.mark.parametrize("seed", SEEDS)
def test_half_the_mesh_restarts_at_once(seed: int) -> None:
    mesh = formed(seed, 12)
    mesh.crash(*names(6, 12))
    mesh.run(1)
    for name in names(6, 12):
        mesh.start(name, ("n0", "n1"))
    mesh.run_until(mesh.agreed, 15)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_leave_is_known_as_one_and_soon(seed: int) -> None:
    mesh = formed(seed, 8)
    mesh.leave("n3")
    took_s = mesh.run_until(mesh.agreed, 5)
    assert took_s < 2
    mesh.run(60)
    for node in mesh.running:
        assert node.on.members["n3"].state is State.LEFT
        assert len(node.told(MemberLeft, "n3")) == 1
        assert not node.told(MemberFailed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [2, 8])
def test_a_node_whose_packets_leave_by_another_address_of_its_host_is_heard_like_any_other(
    count: int, seed: int
) -> None:
    """A route has changed since they joined."""
    mesh = formed(seed, count)
    mesh.reroute("n0", "10.9.9.1")
    mesh.reroute("n1", "10.9.9.2")
    mesh.run(2.0 * count)  # until each has probed each
    mesh.leave("n1")
    assert mesh.run_until(mesh.agreed, 5) < 2
    for node in mesh.running:
        assert node.told(MemberLeft, "n1")
        assert not node.told(MemberSuspected)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_node_that_leaves_before_most_have_heard_of_it_is_suspected_by_nobody(seed: int) -> None:
    mesh = Mesh(seed, loss=0.05)
    mesh.full(40)
    mesh.run(1.0)
    mesh.start("brief", ("n0",))
    mesh.run(0.05)
    mesh.leave("brief")
    mesh.run(10.0)
    assert not [node.name for node in mesh.running if node.told(MemberSuspected, "brief")]
    assert not [node.name for node in mesh.running if "brief" in [member.name for member in node.on.alive()]]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_left_node_comes_back_by_a_new_start(seed: int) -> None:
    mesh = formed(seed, 4)
    mesh.leave("n3")
    mesh.run(5)
    mesh.start("n3", ("n0",))
    mesh.run_until(mesh.agreed, 5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("pause_s", [1.5, 30.0])
def test_a_paused_node_comes_back(pause_s: float, seed: int) -> None:
    mesh = formed(seed, 6)
    mesh.pause("n4", pause_s)
    mesh.run(pause_s)
    if pause_s < 2:
        assert mesh.false_deaths() == 0
    assert mesh.run_until(mesh.agreed, 20) < 8
    assert not mesh.nodes["n4"].told(MemberFailed)
    assert mesh.nodes["n4"].on.counters.pauses == 1 or pause_s < 2
    told = [event.text.split(":")[0] for event in mesh.nodes["n4"].told(Trouble)]
    assert told == ([] if pause_s < 2 else ["this node stood still for 30 s"])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [2, 6, 20])
def test_a_node_paused_for_longer_than_its_suspicion_is_back_within_two_seconds_and_nobody_hears_twice(
    count: int, seed: int
) -> None:
    mesh = formed(seed, count)
    others = [node for node in mesh.running if node.name != "n1"]
    mesh.run(5)
    began = mesh.now
    mesh.pause("n1", 40.0)
    mesh.run(39.9)
    assert all(node.on.members["n1"].state is State.DEAD for node in others)
    mesh.run(0.1)
    took_s = mesh.run_until(lambda: all(node.on.members["n1"].state is State.ALIVE for node in others), 10)
    assert took_s <= 2.0
    mesh.run(30)
    for node in mesh.running:
        told = [type(event) for at, event in node.events if at > began and type(event) in (MemberFailed, MemberJoined)]
        assert told == ([] if node.name == "n1" else [MemberFailed, MemberJoined]), node.name


@pytest.mark.parametrize("seed", SEEDS)
def test_an_address_at_which_another_name_starts_is_that_ones(seed: int) -> None:
    """As when a container gets the address of one that ended: nobody takes the newcomer for the old one."""
    mesh = formed(seed, 5)
    mesh.crash("n2")
    mesh.run(0.3)
    newcomer = mesh.start("new", ("n0",), host=mesh.nodes["n2"].address[0])
    mesh.run_until(mesh.agreed, 30)
    for node in mesh.running:
        assert not node.on.members["n2"].live
        assert len(node.told(MemberFailed, "n2")) <= 1
        assert not node.told(MemberFailed, "new")
    assert newcomer.on.me.address == mesh.nodes["n2"].address


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_by_name_is_looked_up_again_at_each_attempt_and_as_a_member(seed: int) -> None:
    """The name leads to a host that is gone, then to a mesh of two; then to one that these don't know."""
    mesh = Mesh(seed)
    mesh.names["mesh"] = [("10.0.99.9", 0)]
    first = mesh.start("n0")
    mesh.start("n1", ("n0",))
    stranger = mesh.start("n2")
    late = mesh.start("n3", ("mesh",))
    mesh.run(5)
    assert late.on.alone
    mesh.names["mesh"] = [(first.address[0], 0)]
    mesh.run_until(lambda: late.on.joined and len(late.on.alive()) == 2, 30)
    mesh.names["mesh"] = [(stranger.address[0], 0)]
    mesh.run_until(mesh.agreed, 120)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_way_loss_does_not_kill(seed: int) -> None:
    """n1 hears n0, n0 does not hear n1, on no kind of path; relays tell that both live."""
    mesh = formed(seed, 6)
    mesh.separate(["n1"], ["n0"], one_way=True)
    mesh.run(60)
    assert mesh.false_deaths() == 0
    mesh.heal()
    mesh.run_until(mesh.agreed, 20)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_node_that_is_replaced_elsewhere_is_fenced(seed: int) -> None:
    """The machine of n2 is cut off, a replacement starts at another host, the old one is seen again."""
    mesh = formed(seed, 5)
    old = mesh.nodes["n2"]
    mesh.separate(["n2"], ["n0", "n1", "n3", "n4"])
    mesh.run(40)
    mesh.nodes["n2 old"] = mesh.nodes.pop("n2")
    mesh.start("n2", ("n0",), host="10.0.9.9")
    mesh.run(10)
    assert mesh.nodes["n2"].on.joined
    mesh.heal()
    mesh.run(60)
    assert isinstance(old.stopped, Fenced)
    assert "10.0.9.9:4155" in str(old.stopped)
    mesh.run_until(mesh.agreed, 10)
    assert mesh.nodes["n2"].on.members["n2"].address == ("10.0.9.9", 4155)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_name_in_use_by_a_live_member_elsewhere_is_refused(seed: int) -> None:
    mesh = formed(seed, 4)
    second = mesh.start("n2", ("n0",), host="10.0.9.9")
    mesh.run(6)
    assert isinstance(second.stopped, ConfigError)
    assert str(second.stopped) == "name 'n2' is in use by 10.0.0.3:4155; give this one another (--name)"
    del mesh.nodes["n2'"]
    assert mesh.agreed()
    assert not any(node.told(MemberFailed) for node in mesh.running)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_refuses_a_joiner_of_its_own_name(seed: int) -> None:
    mesh = formed(seed, 2)
    second = mesh.start("n0", ("10.0.0.1",), host="10.0.9.9")
    mesh.run(2)
    assert isinstance(second.stopped, ConfigError)
    assert "10.0.0.1:4155" in str(second.stopped)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_crashed_node_gets_in_at_another_host_once_its_old_self_does_not_answer(seed: int) -> None:
    mesh = formed(seed, 4)
    mesh.crash("n2")
    mesh.run(0.2)
    moved = mesh.start("n2", ("n0",), host="10.0.9.9")
    took_s = mesh.run_until(mesh.agreed, 20)
    assert took_s < 6
    assert moved.stopped is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_clock_that_went_back_gives_no_earlier_epoch(seed: int) -> None:
    mesh = formed(seed, 4)
    before = mesh.nodes["n2"].on.me.epoch
    mesh.crash("n2")
    mesh.run(20)
    node = mesh.start("n2", ("n0",), epoch_ms=EPOCH_MS - 5_000)
    mesh.run_until(mesh.agreed, 5)
    assert node.on.me.epoch.ms == before.ms + 1
    assert [effect for effect in node.effects if type(effect) is EpochRaised] == [EpochRaised(node.on.me.epoch)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_that_does_not_resolve_is_tried_for_ever_and_said_so(seed: int) -> None:
    mesh = Mesh(seed)
    node = mesh.start("n0", ("nowhere", "10.0.0.9"))
    mesh.run(120)
    failed = node.told(SeedFailed)
    assert {event.seed: event.reason for event in failed} == {
        "nowhere": "the name does not resolve",
        "10.0.0.9": "no answer",
    }
    waits = [event.retry_s for event in failed if event.seed == "nowhere"]
    assert waits[:7] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert [event.after_s for event in node.told(Alone)] == [3.0]


@pytest.mark.parametrize("seed", SEEDS)
def test_heads_reach_everybody(seed: int) -> None:
    mesh = formed(seed, 10)
    for version in range(1, 6):
        mesh.nodes["n4"].on.set_head(mesh.now, Head(version, version, 7, 3, 9))
        mesh._turn(mesh.nodes["n4"])
        mesh.run(0.3)
    last = Head(5, 5, 7, 3, 9)
    mesh.run_until(lambda: all(node.on.members["n4"].head == last for node in mesh.running), 5)
    late = mesh.start("late", ("n0",))
    mesh.run_until(mesh.agreed, 5)
    assert late.on.members["n4"].head == last
    assert any(type(effect) is HeadChanged and effect.member.name == "n4" for effect in late.effects)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_head_whose_rumours_were_all_lost_comes_with_an_ack(seed: int) -> None:
    mesh = formed(seed, 3)
    mesh.separate(["n1"], ["n0", "n2"])
    mesh.nodes["n1"].on.set_head(mesh.now, Head(1, 1, 1, 1, 1))
    mesh._turn(mesh.nodes["n1"])
    mesh.run(1.5)
    mesh.heal()
    mesh.run_until(lambda: all(node.on.members["n1"].head.version == 1 for node in mesh.running), 10)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_idle_mesh_is_quiet(seed: int) -> None:
    mesh = Mesh(seed)
    mesh.full(20)
    mesh.run(5)
    datagrams, size_bytes = mesh.datagrams, mesh.bytes
    mesh.run(60)
    assert mesh.datagrams - datagrams <= 20 * 60 * 2.5 * 1.02
    assert (mesh.bytes - size_bytes) / 20 / 60 < 100
    assert sum(node.on.counters.mismatches for node in mesh.running) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rumour_that_was_lost_everywhere_is_repaired(seed: int) -> None:
    """A member that two nodes never heard of, as if every packet about it had been lost."""
    mesh = formed(seed, 6)
    mesh.separate(["n4", "n5"], ["n0", "n1", "n2", "n3"])
    mesh.start("late", ("n0",))
    mesh.run(3.5)
    mesh.heal()
    mesh.run_until(mesh.agreed, 25)
    assert sum(node.on.counters.repairs for node in mesh.running) > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_after_any_storm_all_views_agree_again(seed: int) -> None:
    """Crashes, restarts, leaves, pauses, cuts of every shape and loss, drawn for a minute; then calm."""
    mesh = formed(seed, 9)
    mesh.loss = 0.1
    for _ in range(12):
        _trouble(mesh)
        mesh.run(mesh.rng.uniform(0.1, 10))
    mesh.loss = 0.0
    mesh.heal()
    mesh.run(12)
    for name, node in mesh.nodes.items():
        if node.machine is None:
            mesh.start(name, ("n0", "n1"))
    mesh.run_until(mesh.agreed, 90)


def _trouble(mesh: Mesh) -> None:
    name = mesh.rng.choice(sorted(mesh.nodes))
    node = mesh.nodes[name]
    if node.machine is None:
        mesh.start(name, tuple(mesh.rng.sample(sorted(mesh.nodes), 2)))
        return
    match mesh.rng.randrange(6):
        case 0:
            mesh.crash(name)
        case 1 if not node.paused:
            mesh.leave(name)
        case 2 if not node.paused:
            mesh.pause(name, mesh.rng.uniform(0.5, 12))
        case 3:
            mesh.heal()
        case _:
            order = mesh.rng.sample(sorted(mesh.nodes), 9)
            at = mesh.rng.randrange(1, 9)
            mesh.separate(order[:at], order[at:], one_way=mesh.rng.random() < 0.5)


def test_the_same_seed_gives_the_same_trace() -> None:
    def trace() -> str:
        mesh = formed(7, 8, loss=0.1)
        mesh.crash("n3")
        mesh.run(20)
        mesh.start("n3", ("n0",))
        mesh.run(10)
        return mesh.trace()

    assert trace() == trace()


def test_other_settings_are_obeyed() -> None:
    quick = MembershipConfig(
        probe_interval_s=0.2, probe_timeout_s=0.05, relay_timeout_s=0.05, gossip_interval_s=0.05, suspicion_rest_s=0.2,
        grace_s=0.5,
    )  # fmt: skip
    mesh = Mesh(3, settings=quick)
    mesh.full(5)
    mesh.run(1)
    mesh.crash("n1")
    assert mesh.run_until(mesh.agreed, 10) < 3
