"""A few routings and a network: what is used at one node is known at all, whatever the network does.

Packets are encoded and decoded; time is virtual. What must hold after any story is in tests/properties.
"""

from __future__ import annotations

from typing import Any

import pytest

from meshq.config import RoutingConfig
from meshq.machine.effects import SendPacket, StreamPacket
from meshq.names import Epoch
from meshq.routing.effects import BarrierDone, ChannelBorn, InterestChanged
from meshq.wire import interest as wire
from meshq.wire import strict
from meshq.wire.interest import Announced, channel_generation
from tests.routing.net import Net

KEY = ("orders", "billing")


def subscribe(net: Net, name: str, token: int = 1, key: tuple[str, str] = KEY, timeout_s: float = 1.0) -> int:
    generation = net[name].use_channel(net.now, *key)
    net[name].consumers(net.now, *key, 1)
    net[name].barrier(net.now, token, *key, timeout_s)
    return generation


def packets(effects: list[Any]) -> list[Any]:
    return [
        wire.decode(strict.decode(effect.packet)) for effect in effects if type(effect) in (SendPacket, StreamPacket)
    ]


def met(*names: str, **settings: Any) -> Net:
    net = Net(*names, **settings)
    net.meet()
    return net


# subscribing


def test_a_subscription_is_known_everywhere_after_one_round_trip() -> None:
    net = met("a", "b", "c")
    subscribe(net, "a")
    net.run(0.01)
    assert net.nodes["a"].barriers == {1: BarrierDone(1, 3, 3)}
    assert all(node.channels == {KEY: 1} for node in net.nodes.values())
    assert all(node.interested[KEY] == ("a",) for node in net.nodes.values())
    assert net.sent == 4  # one announcement and one acknowledgement each


def test_alone_the_barrier_is_over_in_the_same_turn() -> None:
    net = Net("a")
    subscribe(net, "a")
    kinds = [type(effect).__name__ for effect in net["a"].effects()]
    assert kinds == ["TopicBorn", "Emit", "ChannelBorn", "Emit", "InterestChanged", "BarrierDone", "HeadMoved"]


def test_an_acknowledgement_follows_what_it_acknowledges_in_one_list() -> None:
    net = met("a", "b")
    subscribe(net, "a")
    announcements = [effect for effect in net["a"].effects() if type(effect) is SendPacket]
    for effect in announcements:
        net["b"].packet(net.now, strict.decode(effect.packet), "a", net.nodes["a"].address, None)
    kinds = [type(effect) for effect in net["b"].effects()]
    assert kinds.index(ChannelBorn) < kinds.index(InterestChanged) < kinds.index(SendPacket)


def test_changes_of_one_turn_travel_in_one_packet() -> None:
    net = met("a", "b")
    for number in range(10):
        net["a"].use_channel(net.now, "orders", f"c{number}")
        net["a"].consumers(net.now, "orders", f"c{number}", 1)
    net.turn()
    assert net.sent == 1


def test_a_second_subscription_asks_everybody_again() -> None:
    net = met("a", "b")
    subscribe(net, "a")
    net.run(1.0)
    net["b"].barrier(net.now, 5, *KEY, 1.0)
    net.turn()
    assert net.nodes["b"].barriers == {}
    net.run(0.01)
    assert net.nodes["b"].barriers == {5: BarrierDone(5, 2, 2)}


def test_a_barrier_for_a_name_that_another_node_created_reaches_who_never_heard_of_it() -> None:
    net = met("a", "b", "c")
    net.cut("ab", "c")
    subscribe(net, "a", timeout_s=0.1)
    net.run(0.2)
    net.cut("a", "bc")
    subscribe(net, "b", token=2)
    net.run(1.5)
    assert net.nodes["a"].barriers == {1: BarrierDone(1, 2, 3)}
    assert net.nodes["b"].barriers == {2: BarrierDone(2, 2, 3)}
    assert net.nodes["c"].channels == {KEY: 1}


@pytest.mark.parametrize("seed", range(5))
def test_a_lossy_network_delays_the_barrier_and_no_more(seed: int) -> None:
    net = met("a", "b", "c", "d", seed=seed, loss=0.25, doubled=0.1, delay_s=(0.001, 0.03))
    subscribe(net, "a", timeout_s=5.0)
    net.run(5.0)
    assert net.nodes["a"].barriers == {1: BarrierDone(1, 4, 4)}


def test_a_member_that_stays_silent_costs_the_barrier_its_time_limit_only() -> None:
    net = met("a", "b", "c")
    net.cut("ab", "c")
    subscribe(net, "a")
    net.run(0.9)
    assert net.nodes["a"].barriers == {}
    net.run(0.2)
    assert net.nodes["a"].barriers == {1: BarrierDone(1, 2, 3)}


def test_a_member_that_dies_meanwhile_is_not_waited_for() -> None:
    net = met("a", "b", "c")
    net.cut("ab", "c")
    subscribe(net, "a")
    net.run(0.2)
    net.down("a", "c")
    net.turn()
    assert net.nodes["a"].barriers == {1: BarrierDone(1, 2, 2)}


def test_who_has_no_room_for_the_channel_says_so() -> None:
    net = Net("a", "b", "c")
    net.start("c", channels_max=1)
    net.meet()
    for number in range(3):
        subscribe(net, "a", number, ("orders", f"c{number}"))
        net.run(0.1)
    assert [net.nodes["a"].barriers[number][1:] for number in range(3)] == [(3, 3), (2, 3), (2, 3)]
    assert net["c"].counters.catalog_refused > 0
    assert net["c"].interested("orders", "c2") == ("a",)


def test_a_member_that_holds_us_dead_does_not_acknowledge() -> None:
    net = met("a", "b")
    net.down("b", "a")
    subscribe(net, "a")
    net.run(0.5)
    assert net.nodes["a"].barriers == {}
    assert net.nodes["b"].channels == {KEY: 1}
    net.up("b", "a")
    net.run(0.5)
    assert net.nodes["a"].barriers == {1: BarrierDone(1, 2, 2)}


# members come, go and come back


def test_a_node_that_refutes_its_death_gets_its_interest_back_without_a_message() -> None:
    net = met("a", "b")
    subscribe(net, "a")
    net.run(5.0)
    net.down("b", "a")
    net.turn()
    assert net.nodes["b"].interested[KEY] == ()
    sent = net.sent
    net.up("b", "a")
    net.turn()
    assert net.nodes["b"].interested[KEY] == ("a",)
    assert net.sent == sent


def test_a_restart_voids_the_old_interest_and_spreads_the_new() -> None:
    net = met("a", "b")
    subscribe(net, "a")
    net.run(1.0)
    net.start("a", 2)
    net.meet()
    assert net.nodes["b"].interested[KEY] == ()
    net.run(3.0)
    assert net.nodes["a"].channels == {KEY: 1}  # by repair: nobody asked for the catalog
    subscribe(net, "a", 2)
    net.run(0.1)
    assert net.nodes["b"].interested[KEY] == ("a",)


def test_late_packets_of_an_earlier_start_change_nothing() -> None:
    net = met("a", "b")
    subscribe(net, "a")
    late = [effect.packet for effect in net["a"].effects() if type(effect) is SendPacket]
    net.start("a", 2)
    net.meet()
    for packet in late:
        net["b"].packet(net.now, strict.decode(packet), "a", net.nodes["a"].address, None)
    net.turn()
    assert net.nodes["b"].channels == {}
    assert net["b"].counters.strangers == 1


def test_an_acknowledgement_of_a_former_start_does_not_count() -> None:
    net = met("a", "b")
    subscribe(net, "a")
    old = net.nodes["b"].epoch
    net.turn()
    net.start("b", 2)
    net.up("a", "b")
    ack = wire.encode(Announced("b", old, net.nodes["a"].epoch, 99, 0))
    net["a"].packet(net.now, strict.decode(ack), "b", net.nodes["b"].address, None)
    net.turn()
    assert net.nodes["a"].barriers == {1: BarrierDone(1, 1, 1)}  # the start that was asked is no more


def test_a_newcomer_takes_the_whole_catalog_and_is_ready() -> None:
    net = met("a", "b")
    for number in range(300):
        subscribe(net, "ab"[number % 2], number, (f"topic-{number}", "c"))
    net["a"].delete_topic(net.now, "topic-0")
    net.run(3.0)
    net.start("new")
    net.meet()
    assert not net["new"].ready
    net["new"].want_catalog(net.now, net.nodes["b"].address)
    took = net.run_until(lambda: net["new"].ready)
    assert took < 0.5
    assert net["new"].interested("topic-1", "c") == ("b",)
    assert net["new"].interested("topic-2", "c") == ("a",)
    assert net["new"].use_topic(net.now, "topic-0") == 2
    net.run(1.0)
    assert net.same()


def test_two_newcomers_that_ask_each_other_start_after_a_while() -> None:
    net = met("a", "b")
    for name, other in (("a", "b"), ("b", "a")):
        net[name].want_catalog(net.now, net.nodes[other].address)
    net.run(1.0)
    assert not net["a"].ready
    net.run(3.0)
    for name, other in (("a", "b"), ("b", "a")):
        net[name].want_catalog(net.now, net.nodes[other].address)
    net.run(0.1)
    assert net["a"].ready
    assert net["b"].ready


def test_what_was_heard_of_a_node_that_never_becomes_a_member_is_forgotten() -> None:
    net = met("a", "b")
    subscribe(net, "a")
    net.run(1.0)
    net.start("new")
    net.up("new", "b")
    net.up("b", "new")
    net["new"].want_catalog(net.now, net.nodes["b"].address)
    net.run(30.0)
    assert net["new"].interested(*KEY) == ()
    assert net["new"]._interest.pairs == 1
    net.run(60.0)
    assert net["new"]._interest.pairs == 0


# lost, gone, too much


def test_what_is_announced_out_of_order_is_asked_for() -> None:
    net = met("a", "b")
    subscribe(net, "a")
    net["a"].effects()  # lost
    net["a"].consumers(net.now, "orders", "other", 1)
    net.run(0.01)
    assert net["b"].counters.gaps == 1
    assert net.nodes["b"].interested[KEY] == ("a",)
    assert net.nodes["a"].barriers == {1: BarrierDone(1, 2, 2)}


def test_a_silent_member_is_tried_some_seconds_and_then_left_alone() -> None:
    net = met("a", "b")
    net.cut("a", "b")
    subscribe(net, "a")
    net.run(30.0)
    assert net.sent == RoutingConfig().announce_tries
    assert net["a"].counters.announces_given_up == 1
    net.run(30.0)
    assert net.sent == RoutingConfig().announce_tries


def test_what_was_given_up_is_repaired_when_heads_are_heard_again() -> None:
    net = met("a", "b")
    net.cut("a", "b")
    subscribe(net, "a")
    net["b"].use_channel(net.now, "mail", "c")
    net.run(60.0)
    net.cut("ab")
    assert net.run_until(net.same) < 4.0


def test_a_partition_heals_into_one_catalog_soon_after_members_meet() -> None:
    net = met("a", "b", "c", "d")
    net["a"].use_channel(net.now, "old", "c")
    net.run(1.0)
    net.cut("ab", "cd")
    for one in "ab":
        for other in "cd":
            net.down(one, other)
            net.down(other, one)
    subscribe(net, "a", 1, ("left", "c"))
    subscribe(net, "c", 2, ("right", "c"))
    net["b"].delete_topic(net.now, "old")
    subscribe(net, "d", 3, ("old", "late"))
    net.run(120.0)
    assert net.nodes["a"].barriers[1] == BarrierDone(1, 2, 2)
    net.cut("abcd")
    net.meet()
    assert net.run_until(net.same) < 4.0
    assert net["a"].known("old") is None
    assert net["d"].interested("left", "c") == ("a",)
    assert net["d"].use_channel(net.now, "old", "late") == channel_generation(2, 1)


def test_a_channel_learned_after_a_partition_is_as_old_as_it_is() -> None:
    net = met("a", "b")
    net.cut("a", "b")
    net["a"].use_channel(net.now, *KEY)
    net.run(42.0)
    net.cut("ab")
    net.run(5.0)
    born = net.nodes["b"].born[(*KEY, 1)]
    assert 42.0 <= born.age_s < 47.0


def test_two_first_channels_at_once_are_both_born_everywhere() -> None:
    net = met("a", "b", "c", delay_s=(0.001, 0.2))
    subscribe(net, "a", 1, ("orders", "x"))
    subscribe(net, "b", 2, ("orders", "y"))
    net.run(1.0)
    assert all(node.channels == {("orders", "x"): 1, ("orders", "y"): 1} for node in net.nodes.values())


def test_deletes_spread_and_use_opens_the_next_generation() -> None:
    net = met("a", "b", "c")
    subscribe(net, "a")
    net.run(1.0)
    net["b"].delete_topic(net.now, "orders")
    net.run(0.1)
    assert all(node.topics == {} for node in net.nodes.values())
    assert net["c"].use_channel(net.now, *KEY) == channel_generation(2, 1)
    net.run(0.1)
    assert all(node.topics == {"orders": 2} for node in net.nodes.values())


def test_settings_reach_everybody() -> None:
    net = met("a", "b")
    subscribe(net, "a")
    net["a"].configure(net.now, "orders", "", {"ttl": 60})
    net["a"].configure(net.now, *KEY, {"ttl": 30})
    net.run(0.1)
    assert net["b"]._catalog.topics["orders"].settings["ttl"][1] == 60
    assert net["b"]._catalog.topics["orders"].channels["billing"].settings["ttl"][1] == 30


def test_a_pause_on_one_side_of_a_partition_and_a_limit_on_the_other_both_hold_once_they_meet() -> None:
    net = met("a", "b", "c")
    subscribe(net, "a")
    net.run(1.0)
    net.cut("a", "bc")
    net["a"].configure(net.now, *KEY, {"paused": True, "attempts_max": 3})
    net.run(5.0)
    net["c"].configure(net.now, *KEY, {"attempts_max": 5, "messages_max": 100})
    net.run(5.0)
    assert net.nodes["a"].settings[KEY] == {"paused": True, "attempts_max": 3}
    assert net.nodes["b"].settings[KEY] == {"attempts_max": 5, "messages_max": 100}
    net.cut("abc")
    net.meet()
    net.run_until(net.same, 30.0)
    for node in net.nodes.values():
        assert node.settings[KEY] == {"paused": True, "attempts_max": 5, "messages_max": 100}  # the later writer's


def test_a_pause_of_a_channel_that_the_other_side_deleted_is_gone_with_it() -> None:
    net = met("a", "b")
    subscribe(net, "a")
    net.run(1.0)
    net.cut("a", "b")
    net["a"].configure(net.now, *KEY, {"paused": True})
    net["b"].delete_channel(net.now, *KEY)
    net["b"].use_channel(net.now, *KEY)
    net.run(5.0)
    net.cut("ab")
    net.meet()
    net.run_until(net.same, 30.0)
    assert all(not node.settings.get(KEY) and KEY in node.channels for node in net.nodes.values())


def test_a_removal_forgotten_by_its_owner_is_still_removed_where_it_was_missed() -> None:
    net = met("a", "b")
    subscribe(net, "a")
    net.run(1.0)
    net.cut("a", "b")
    net.down("a", "b")
    net["a"].consumers(net.now, *KEY, 0)
    net["a"].consumers(net.now, "orders", "other", 1)
    net.run(20.0)
    assert net["a"]._news.floor > 0
    net.cut("ab")
    net.up("a", "b")
    net.run(1.0)
    assert net["b"].interested(*KEY) == ()
    assert net["b"].interested("orders", "other") == ("a",)
    assert net["b"].counters.gaps == 0  # told from the beginning, without having to ask


def test_one_comparison_serves_both_sides() -> None:
    net = Net("a", "b")
    net.gossip = False
    for name in "ab":
        net[name].use_channel(net.now, "shared", name)
        net[name]._news.prune(net[name]._news.version)
    net.meet()
    net.run(0.1)
    net["a"].head(net.now, "b", net["b"].own_head())
    net.run(3.0)
    assert net["a"].counters.repairs == 1
    assert net["b"].counters.repairs == 0
    assert all(node.channels == {("shared", "a"): 1, ("shared", "b"): 1} for node in net.nodes.values())


def test_a_channel_whose_topic_ended_meanwhile_is_told_as_ended() -> None:
    net = met("a", "b", "c")
    net["a"].use_topic(net.now, "orders")
    net.run(1.0)
    net.cut("ab", "c")
    net["a"].delete_topic(net.now, "orders")
    net.cut("a", "bc")
    subscribe(net, "b")  # it has not heard of the delete, which reaches it before its barrier is told
    net["b"].packet(net.now, strict.decode(_tombstone(net, "orders")), "a", net.nodes["a"].address, None)
    net.run(0.05)
    assert net["b"]._peers.of("c", net.nodes["c"].epoch).acked == net["b"]._news.version  # type: ignore[union-attr]
    assert net["c"].known("orders") is None


def _tombstone(net: Net, topic: str) -> bytes:
    record = net["a"]._catalog.record(net.now, topic)
    assert record is not None
    return wire.encode(wire.Entries("a", net.nodes["a"].epoch, [], [record]))


def test_much_interest_goes_over_a_stream_and_a_little_more_does_not() -> None:
    net = Net("a", "b")
    for number in range(5000):
        net["a"].consumers(net.now, f"topic-{number}", "c", 1)
    net.meet()
    net.run(1.0)
    assert net.streamed > 5000 * 15
    assert net["b"].interested("topic-4999", "c") == ("a",)
    streamed = net.streamed
    net["a"].consumers(net.now, "one", "more", 1)
    net.run(1.0)
    assert net["b"].interested("one", "more") == ("a",)
    assert net.streamed == streamed


def test_catalogs_that_differ_much_are_compared_over_a_stream() -> None:
    net = Net("a", "b")
    for name in "ab":
        for number in range(1000):
            net[name].use_topic(net.now, f"{name}-{number}")
        net[name]._news.prune(net[name]._news.version)
    net.meet()
    assert net.run_until(net.same) < 4.0
    assert net["a"].counters.repairs + net["b"].counters.repairs < 4


def test_a_mesh_at_rest_says_nothing_and_wants_nothing() -> None:
    net = met("a", "b", "c")
    subscribe(net, "a")
    net["b"].delete_topic(net.now, "orders")
    net.run(20.0)
    sent = net.sent
    net.run(100.0)
    assert net.sent == sent
    assert all((node.routing.deadline() or 1e9) > net.now + 1e6 for node in net.nodes.values())


def test_what_a_limit_keeps_out_is_asked_for_ever_more_rarely() -> None:
    net = Net("a", "b")
    net.start("b", topics_max=2)
    net.meet()
    for number in range(5):
        net["a"].use_topic(net.now, f"t{number}")
    net.run(60.0)
    first = net["b"].counters.repairs + net["a"].counters.repairs
    net.run(60.0)
    assert net["b"].counters.repairs + net["a"].counters.repairs - first <= 4


def test_bursts_are_paced() -> None:
    net = Net("a", config=RoutingConfig(announce_burst=10, announce_pace_s=0.01))
    for number in range(35):
        net["a"].member_up(net.now, f"n{number}", net.nodes["a"].epoch, ("10.0.0.2", 5000 + number))
    net["a"].use_topic(net.now, "t")
    sizes = []
    for _ in range(4):
        sizes.append(len(packets(net["a"].effects())))
        assert packets(net["a"].effects()) == []
        net.now = net["a"].deadline() or net.now
        net["a"].tick(net.now)
    assert sizes == [10, 10, 10, 5]


def test_a_stranger_is_told_nothing_by_datagram() -> None:
    net = met("a", "b")
    subscribe(net, "a")
    net.run(1.0)
    epoch, address = Epoch(5, 5), ("10.0.0.9", 1)
    for packet in (
        wire.CatalogPull("x", epoch, 1),
        wire.Pull("x", epoch, net.nodes["b"].epoch, 0),
        wire.Digest("x", epoch, bytes(512)),
        wire.Announce("x", epoch, 0, 0, 1, [wire.Entry("t", "c", 1, 1, 0)], []),
    ):
        net["b"].packet(net.now, strict.decode(wire.encode(packet)), None, address, None)
    assert net["b"].effects() == []


def test_the_view_lists_topics_channels_and_consumers() -> None:
    net = met("a", "b")
    subscribe(net, "a")
    net["b"].consumers(net.now, *KEY, 3)
    net["b"].use_topic(net.now, "mail")
    net.run(0.1)
    assert list(net["a"].topics()) == [
        {"topic": "mail", "generation": 1, "settings": {}, "channels": []},
        {
            "topic": "orders",
            "generation": 1,
            "settings": {},
            "channels": [{"channel": "billing", "generation": 1, "settings": {}, "consumers": {"a": 1, "b": 3}}],
        },
    ]
