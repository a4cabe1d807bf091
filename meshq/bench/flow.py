"""What throughput, mesh and fanout share: a flow of messages from the first publish to the last finish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meshq.bench.crew import Crew, Role
from meshq.bench.figures import Figure, Kind
from meshq.bench.report import Measured
from meshq.bench.roles.names import channels

RATE = Figure("messages_per_s", "messages/s", Kind.RATE, repeats=True)
CONFIRMED = Figure("confirmed_per_s", "messages/s", Kind.RATE)
TAKE = Figure("messages_per_take", "messages", digits=1)


@dataclass(frozen=True)
class Load:
    """What is published, and how it is taken."""

    messages: int
    size_bytes: int
    batch: int
    """Messages of one ``publish_many``; 1: single calls of ``publish``."""
    calls: int
    """How many calls wait for their confirmation at a time."""
    level: str
    each: bool
    """Whether consumers take message by message, and not what came together."""


def consumer(crew: Crew, node: str, load: Load, channel_count: int = 1) -> Role:
    """A process that consumes channels at a node, one consumer each; subscribed when this returns."""
    return crew.ready("consume", node=node, channels=channels(channel_count), each=load.each)


def flow(crew: Crew, node: str, consumers: Sequence[Role], load: Load, channel_count: int = 1) -> Measured:
    """Publish at ``node`` and wait until it knows of all that it is finished; what the figures are made of."""
    count = load.messages - load.messages % load.batch
    publisher = crew.role(
        "publish",
        node=node,
        messages=count,
        size_bytes=load.size_bytes,
        batch=load.batch,
        calls=load.calls,
        level=load.level,
        finishes=count * channel_count,
    )
    told = publisher.hear()
    taken = [each.stop() for each in consumers]
    rate = count / (told["finished_s"] - told["began_s"])
    return Measured(
        {
            RATE.name: rate,
            CONFIRMED.name: count / (told["confirmed_s"] - told["began_s"]),
            TAKE.name: sum(each["messages"] for each in taken) / max(1, sum(each["takes"] for each in taken)),
            "deliveries_per_s": rate * channel_count,
            "messages": sum(each["messages"] for each in taken),
        }
    )
