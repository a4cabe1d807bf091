"""When members read: late and in order when starved, what they sent to themselves too; not behind the others' packets
when those are late; and not at all while they stand still."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from meshq.membership.member import State
from meshq.sim.gossip import Gossip
from meshq.sim.inbox import Arrived, Inbox
from meshq.sim.network import Bursts
from meshq.sim.world import World

OTHERS, OWN = b"others", b"own"


def played(inbox_of: str) -> tuple[list[tuple[float, bytes]], World]:
    """What was read, and when, of ten packets of others and ten of the node's own, a second apart."""
    world = World(7)
    read: list[tuple[float, bytes]] = []
    inbox = Inbox(world, Random(1), lambda packet: read.append((world.now, packet.data)))
    setattr(inbox, inbox_of, (0.5, 2.5))
    for number in range(10):
        world.at(float(number), lambda: inbox.arrive(Arrived(OTHERS, ("10.0.0.2", 1), None), own=False))
        world.at(number + 0.5, lambda: inbox.arrive(Arrived(OWN, ("10.0.0.1", 1), None), own=True))
    world.run_until(20.0)
    return read, world


def test_a_starved_node_reads_everything_late_and_in_order() -> None:
    read, _ = played("lag_s")
    assert [data for _, data in read] == [OTHERS, OWN] * 10
    for at, (when, _) in enumerate(read):
        assert 0.5 <= when - at / 2 <= 2.5


def test_what_a_node_sends_to_itself_is_not_behind_a_slow_way_to_it() -> None:
    read, _ = played("path_lag_s")
    assert [when for when, data in read if data == OWN] == [number + 0.5 for number in range(10)]
    late = [when - number for number, when in enumerate(when for when, data in read if data == OTHERS)]
    assert all(0.5 <= each <= 2.5 for each in late)


def test_a_packet_to_oneself_arrives_through_the_own_inbox() -> None:
    gossip = Gossip(1, 2)
    gossip.start_knowing_each_other()
    node = gossip.nodes["m0"]
    read: list[float] = []
    node.inbox._read = lambda _: read.append(gossip.world.now)
    node.inbox.lag_s = (0.5, 0.5)
    gossip.datagrams.send(node.address, node.address, b"")
    gossip.world.run_until(0.6)
    assert read
    assert 0.5 < read[0] < 0.51


def test_a_node_that_stood_still_reads_first_and_is_late_then() -> None:
    gossip = Gossip(2, 8)
    gossip.start_knowing_each_other()
    node = gossip.nodes["m0"]
    gossip.world.at(2.0, node.pause)
    gossip.world.at(4.5, node.wake)
    gossip.world.run_until(20.0)
    assert node.machine is not None
    assert node.machine.counters.pauses == 1
    assert gossip.disagreement() == ""


def test_bursts_lose_their_share_in_runs() -> None:
    bursts = Bursts(Random(3), loss=1.0, bad_s=1.0, good_s=9.0)
    lost = [bursts.lose(number / 100, "a", "b") for number in range(200_000)]
    runs = sum(one != other for one, other in pairwise(lost)) / 2
    assert 0.06 < sum(lost) / len(lost) < 0.14
    assert 120 < runs < 280


def test_a_process_that_dies_is_declared_dead_by_those_it_was_linked_to() -> None:
    gossip = Gossip(4, 50)
    gossip.start_knowing_each_other()
    gossip.world.at(5.0, gossip.die, "m7", ["m1", "m2"])
    gossip.world.run_until(8.0)
    dead = [verdict for verdict in gossip.verdicts if verdict.state is State.DEAD]
    assert dead[0].by in ("m1", "m2")
    assert dead[0].at_s < 5.5
    assert len(dead) == 49
