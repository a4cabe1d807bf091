"""Shared tables are the tables that they stand for, and a mesh that begins with them takes the same course."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshq.config import Config, membership_profile
from meshq.sim.gossip import Gossip
from meshq.sim.network import Weather
from meshq.sim.shared import Shared, SharedList

KEYS = st.sampled_from("abcdef")


@given(st.lists(st.tuples(KEYS, st.none() | st.integers(0, 3)), max_size=20))
def test_a_shared_dict_is_a_dict_and_leaves_its_base_alone(steps: list[tuple[str, int | None]]) -> None:
    base = {"a": 1, "b": 0, "c": 2}
    shared, plain = Shared(dict(base)), dict(base)
    for key, value in steps:
        if value is None:
            assert shared.pop(key, 9) == plain.pop(key, 9)
        else:
            shared[key] = plain[key] = value
        assert dict(shared) == plain
        assert (len(shared), key in shared, shared.get(key, 7)) == (len(plain), key in plain, plain.get(key, 7))
    assert shared._base == base


@given(st.lists(st.tuples(st.sampled_from(("set", "append", "pop", "insert", "del")), st.integers(0, 5)), max_size=20))
def test_a_shared_list_is_a_list_and_leaves_its_base_alone(steps: list[tuple[str, int]]) -> None:
    base = [10, 11, 12]
    shared, plain = SharedList(list(base)), list(base)
    for what, number in steps:
        at = number % len(plain) if plain else 0
        for each in (shared, plain):
            if what == "append":
                each.append(number)
            elif what == "insert":
                each.insert(at, number)
            elif each and what == "set":
                each[at] = number
            elif each and what == "pop":
                each.pop()
            elif each:
                del each[at]
        assert list(shared) == plain
    assert shared._base == base


@pytest.mark.parametrize("profile", ["memberlist", "lan"])
def test_a_mesh_with_shared_tables_takes_the_same_course(profile: str) -> None:
    courses = []
    for share_from in (2, 1_000):
        gossip = Gossip(
            5, 20, weather=Weather(latency_s=0.002, loss=0.05), share_from=share_from,
            config=lambda name: Config(name=name, membership=membership_profile(profile)),
        )  # fmt: skip
        gossip.start_knowing_each_other()
        gossip.crash("m7", at_s=5.0)
        gossip.start("m7", at_s=30.0)
        gossip.world.run_until(40.0)
        courses.append((gossip.world.hash(), gossip.disagreement()))
    assert courses[0] == courses[1]
