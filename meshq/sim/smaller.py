"""What may be left out of a story: each function hands out smaller stories, the boldest first.

Decides the order in which it is worth trying; whether a smaller story still fails is ``shrink``'s to find out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias, TypeVar

from meshq.sim.consumer import ConsumerHabits
from meshq.sim.publisher import PublisherHabits
from meshq.sim.story import Consuming, Part, Publishing, Story

T = TypeVar("T")
Smaller: TypeAlias = Callable[[Story], Iterator[Story]]

AFTER_S: Final = (0.1, 1.0, 3.0)
"""How long a story may go on after its last fault, at first."""
EARLY_S: Final = 1.0
SOONER: Final = (0.25, 0.5, 0.75)
LEAST_S: Final = 2.0
LIGHTER: Final = (3,)
MESSAGES: Final = (1, 3, 10, 30, 100)


def fewer(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """Shorter lists: empty, each item alone, then without each half, each quarter and so on, down to each item."""
    items = tuple(items)
    if not items:
        return
    yield ()
    if len(items) > 2:
        yield from ((item,) for item in items)
    size = len(items) // 2
    while size:
        for at in range(0, len(items), size):
            yield items[:at] + items[at + size :]
        size //= 2


def lighter(story: Story) -> Iterator[Story]:
    """Publishers that publish less often: what it takes to play all that follows is mostly what they send."""
    for times in LIGHTER:
        yield _publishing(story, lambda habits, by=times: replace(habits, every_s=round(habits.every_s * by, 3)))  # type: ignore[misc]


def sooner(story: Story) -> Iterator[Story]:
    """Over in a part of the time, with the faults until then."""
    return (story.until(round(story.active_s * part, 1)) for part in SOONER if story.active_s > LEAST_S)


def fewer_faults(story: Story) -> Iterator[Story]:
    """Part of the plan only."""
    return (replace(story, plan=plan) for plan in fewer(story.plan))


def fewer_nodes(story: Story) -> Iterator[Story]:
    """Part of the nodes only; their clients leave with them, or move to those who are left."""
    for kept in fewer(story.nodes):
        if kept:
            yield story.among(kept)
            yield _moved(story, kept).among(kept)


def fewer_clients(story: Story) -> Iterator[Story]:
    """Part of the clients only."""
    return (story.of(cast) for cast in fewer(story.cast))


def fewer_acts(story: Story) -> Iterator[Story]:
    """Part of the acts only."""
    return (replace(story, acts=acts) for acts in fewer(story.acts))


def shorter(story: Story) -> Iterator[Story]:
    """Over soon after the last fault, or in half the time."""
    ends = [fault.at_s + fault.for_s for fault in story.plan] + [act.at_s for act in story.acts]
    last_s = max(ends, default=0.0)
    for active_s in (*(round(last_s + after_s, 1) for after_s in AFTER_S), round(story.active_s / 2, 1)):
        if 0.0 < active_s < story.active_s:
            yield replace(story, active_s=active_s)


def earlier(story: Story) -> Iterator[Story]:
    """The first fault comes after a second, the others as much later as before."""
    spare_s = min((fault.at_s for fault in story.plan), default=0.0) - EARLY_S
    if spare_s > 0 and not story.acts:
        plan = tuple(replace(fault, at_s=round(fault.at_s - spare_s, 3)) for fault in story.plan)
        yield replace(story, plan=plan, active_s=round(story.active_s - spare_s, 1))


def fewer_messages(story: Story) -> Iterator[Story]:
    """Each publisher sends no more than so many messages, or one at a time."""
    for messages_max in MESSAGES:
        yield _publishing(story, lambda habits, most=messages_max: _at_most(habits, most))  # type: ignore[misc]
    yield _publishing(story, lambda habits: replace(habits, batch_max=1))


def plainer(story: Story) -> Iterator[Story]:
    """Clients without manners of their own, first all of them, then one at a time."""
    plain = tuple(_plain(part) for part in story.cast)
    yield replace(story, cast=plain)
    for at, part in enumerate(plain):
        yield replace(story, cast=(*story.cast[:at], part, *story.cast[at + 1 :]))


def rounder(story: Story) -> Iterator[Story]:
    """Times as a person would write them."""
    for digits in (0, 1, 2):
        yield replace(story, plan=tuple(_rounded(fault, digits) for fault in story.plan))


PASSES: Final[tuple[Smaller, ...]] = (
    sooner, lighter, fewer_faults, shorter, earlier, fewer_nodes, fewer_clients, fewer_acts, fewer_messages, plainer,
    rounder,
)  # fmt: skip
"""In the order in which they are tried."""


def _moved(story: Story, kept: Sequence[str]) -> Story:
    """The clients of nodes that are not kept are at those that are, in turn."""
    cast = tuple(
        part if part.node in kept else replace(part, node=kept[at % len(kept)]) for at, part in enumerate(story.cast)
    )
    return replace(story, cast=cast)


def _publishing(story: Story, change: Callable[[PublisherHabits], PublisherHabits]) -> Story:
    cast = tuple(
        replace(part, habits=change(part.habits)) if isinstance(part, Publishing) else part for part in story.cast
    )
    return replace(story, cast=cast)


def _at_most(habits: PublisherHabits, messages_max: int) -> PublisherHabits:
    return replace(habits, messages_max=min(messages_max, habits.messages_max or messages_max))


def _plain(part: Part) -> Part:
    if isinstance(part, Publishing):
        habits = part.habits
        kept = PublisherHabits(topics=habits.topics, every_s=habits.every_s, messages_max=habits.messages_max)
        return replace(part, habits=replace(kept, batch_max=habits.batch_max), remote=False, roaming=False)
    if isinstance(part, Consuming):
        return replace(part, habits=ConsumerHabits(), remote=False, roaming=False)
    return part


def _rounded(fault: T, digits: int) -> T:
    times = {name: round(getattr(fault, name), digits) for name in ("at_s", "for_s")}
    return replace(fault, **times) if times["for_s"] or not fault.for_s else fault  # type: ignore[type-var, attr-defined]
