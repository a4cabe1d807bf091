"""What anybody may send to a node with a key: it raises nothing, changes nothing, and is answered with nothing.

The same for many more packets, with a look at the memory: ``python -m tests.properties.sealing --packets 1000000``.
"""

from __future__ import annotations

from functools import cache
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.properties.sealing import Target, mutate, random_packets
from tests.properties.strategies import mutated


@cache
def target() -> Target:
    """One for all examples: nothing that they do may change it."""
    return Target()


@given(st.data())
def test_a_packet_that_nobody_with_the_key_made_changes_nothing(data: st.DataObject) -> None:
    recorded = st.sampled_from(target().recorded)
    packet = data.draw(st.one_of(st.binary(max_size=1500), recorded, mutated(recorded)))
    assert target().meets(packet)


@given(st.integers(min_value=0))
def test_nor_does_what_the_long_search_makes_up(seed: int) -> None:
    assert all(map(target().meets, random_packets(seed, target(), 10)))


@given(st.randoms(use_true_random=False))
def test_a_member_gone_mad_raises_nothing(rng: Random) -> None:
    for _ in range(5):
        target().meets_a_member_gone_mad(mutate(rng, rng.choice(target().packets)))
