"""What ails nodes, and the ways between them, while a run lasts.

Decides how long each bout lasts and how late packets are; the bounds are those of the published grid (starved: 0.5 to
2.5 s) and of harder cells around them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Final, NamedTuple, TypeAlias

from meshq.sim.gossip import Gossip, Node
from meshq.sim.inbox import NOT_LATE, Span
from meshq.sim.network import Bursts, Spell, Weather

STARVED: Final[Span] = (0.5, 2.5)
LONG: Final[Span] = (1.0, 5.0)
BOUT_S: Final[Span] = (10.0, 20.0)
"""How long a bout lasts that comes and goes, and how long the rest after it."""
DEAF: Final = Weather(loss=0.3)
WAYS_CUT: Final = 0.3
"""Share of the others that an ill node can't reach, or that can't reach it."""


class Ward(NamedTuple):
    """The nodes that fall ill, and what it takes."""

    gossip: Gossip
    ill: Sequence[Node]
    rng: Random


Ailment: TypeAlias = Callable[[Ward], None]


def starved(ward: Ward, *, lag_s: Span = STARVED) -> None:
    """They read every packet late, their own included; timers are on time."""
    for node in ward.ill:
        node.inbox.lag_s = lag_s


def starved_at_times(ward: Ward, *, lag_s: Span = STARVED) -> None:
    """The same, coming and going."""
    for node in ward.ill:
        _at_times(ward, partial(_set_lag, node, lag_s), partial(_set_lag, node, NOT_LATE))


def slow_ways_at_times(ward: Ward, *, lag_s: Span = STARVED) -> None:
    """What others send reaches them late, at times; what they send to themselves does not."""
    for node in ward.ill:
        _at_times(ward, partial(_set_path_lag, node, lag_s), partial(_set_path_lag, node, NOT_LATE))


def pauses(ward: Ward, *, span_s: Span) -> None:
    """They stand still for a while, again and again."""
    for node in ward.ill:
        _at_times(ward, node.pause, node.wake, on_s=span_s)


def one_way(ward: Ward) -> None:
    """Of the ways between an ill node and some others one direction is cut: to them or from them, for good."""
    for node in ward.ill:
        others = [other for other in ward.gossip.running if other is not node]
        for other in ward.rng.sample(others, int(len(others) * WAYS_CUT)):
            ends = (node.address[0], other.address[0])
            ward.gossip.paths.cut(*(ends if ward.rng.random() < 0.5 else ends[::-1]))


def deaf(ward: Ward) -> None:
    """Nearly a third of what is sent to them is lost, and nothing more of what they send."""
    for node in ward.ill:
        ward.gossip.paths.begin(Spell(DEAF, target=node.address[0]))


def bursts(ward: Ward) -> None:
    """Every way loses half of its packets for a tenth of the time, a second or so at once."""
    ward.gossip.datagrams.bursts = Bursts(ward.rng, loss=0.5, bad_s=1.0, good_s=9.0)


AILMENTS: Final[dict[str, Ailment]] = {
    "starved": starved,
    "starved at times": starved_at_times,
    "lag 1-5 s": partial(starved, lag_s=LONG),
    "lag 1-5 s at times": partial(starved_at_times, lag_s=LONG),
    "slow ways at times": slow_ways_at_times,
    "slow ways 1-5 s at times": partial(slow_ways_at_times, lag_s=LONG),
    "pauses of 2-4 s": partial(pauses, span_s=(2.0, 4.0)),
    "pauses of 3-8 s": partial(pauses, span_s=(3.0, 8.0)),
    "one-way links": one_way,
    "deaf": deaf,
    "bursts": bursts,
}


def _at_times(ward: Ward, begin: Callable[[], None], end: Callable[[], None], *, on_s: Span = BOUT_S) -> None:
    """Begin and end for ever, the first time after part of a rest."""
    world, rng = ward.gossip.world, ward.rng

    def on() -> None:
        begin()
        world.after(rng.uniform(*on_s), off)

    def off() -> None:
        end()
        world.after(rng.uniform(*BOUT_S), on)

    world.after(rng.uniform(0.0, BOUT_S[1]), on)


def _set_lag(node: Node, lag_s: Span) -> None:
    node.inbox.lag_s = lag_s


def _set_path_lag(node: Node, lag_s: Span) -> None:
    node.inbox.path_lag_s = lag_s
