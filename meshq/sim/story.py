"""A run as data: who takes part, what befalls them and how long it takes; enough to play it again, and to leave
something out of it.

A scenario is a function that draws its cast from chance. A story is what it drew: clients, acts and faults as values,
so that each can be left out without drawing the others anew. Decides how a cast is read from a stage and put on
another; what to leave out is in ``smaller``, how a story is written down as a file in ``written``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeAlias

from meshq.sim.clients import Client
from meshq.sim.consumer import ConsumerHabits
from meshq.sim.faults import Fault, Partition
from meshq.sim.fleet import Fleet
from meshq.sim.operator import Operator
from meshq.sim.publisher import PublisherHabits
from meshq.sim.scenario import Scenario
from meshq.sim.stage import Level, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """A publisher."""

    node: str
    habits: PublisherHabits
    name: str
    remote: bool = False
    roaming: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Consuming:
    """A consumer."""

    node: str
    topic: str
    channel: str
    habits: ConsumerHabits
    name: str
    late_s: float = 0.0
    remote: bool = False
    roaming: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Administering:
    """An administrator, or one who changes keys."""

    node: str
    name: str
    operator: bool = False


Part: TypeAlias = Publishing | Consuming | Administering


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Done ``at_s`` seconds into the active part: a ``verb`` of the client of that name, of "stage" or "fleet"."""

    at_s: float
    who: str
    verb: str
    arguments: tuple[Any, ...] = ()

    def __hash__(self) -> int:
        return hash((self.at_s, self.who, self.verb))


class Unwritable(Exception):
    """A scenario does something that is no act of a client, the stage or the fleet: it can't be told as a story."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One run. ``scenario`` gives settings and checkers; the rest replaces what it would have drawn."""

    scenario: Scenario = field(compare=False)
    name: str
    seed: int
    nodes: tuple[str, ...]
    cast: tuple[Part, ...]
    plan: tuple[Fault, ...]
    acts: tuple[Act, ...] = ()
    twins: tuple[str, ...] = ()
    """Nodes that are to have a host of the same name."""
    forgiven: tuple[str, ...] = ()
    owed: tuple[tuple[str, str], ...] = ()
    """Topics and channels to which everything is due."""
    level: Level = "disk"
    memory_bytes: int = 0
    """What messages may take in memory, if it is not as the settings say."""
    active_s: float = 15.0

    @property
    def whole(self) -> bool:
        """Whether each topic that is published to has a consumer: one without keeps its messages, and rightly so."""
        consumed = [part.topic for part in self.cast if isinstance(part, Consuming)]
        publishers = [part for part in self.cast if isinstance(part, Publishing)]
        return bool(publishers) and all(topic in consumed for part in publishers for topic in part.habits.topics)

    def as_scenario(self) -> Scenario:
        """What plays it."""
        return replace(self.scenario, name=self.name, prepare=self.prepare, active_s=self.active_s)

    def prepare(self, stage: Stage) -> list[Fault]:
        """Put its cast on the stage; the plan of faults."""
        stage.keep_at(self.level, self.memory_bytes)
        clients = {part.name: _enter(stage, part) for part in self.cast}
        for node in self.twins:
            stage.twin(node)
        for act in self.acts:
            owner: Any = {"stage": stage, "fleet": stage.fleet}.get(act.who) or clients[act.who]
            stage.act(act.at_s, getattr(owner, act.verb), *act.arguments)
        stage.forgiven |= set(self.forgiven)
        for topic, channel in self.owed:
            stage.owe_everything(topic, channel)
        return list(self.plan)

    def until(self, at_s: float) -> Story:
        """The same up to ``at_s`` of the active part, and nothing of what would come later."""
        return replace(
            self,
            active_s=min(self.active_s, at_s),
            plan=tuple(fault for fault in self.plan if fault.at_s <= at_s),
            acts=tuple(act for act in self.acts if act.at_s <= at_s),
        )

    def among(self, nodes: Sequence[str]) -> Story:
        """The same with these nodes only: clients, acts and faults that need another are left out."""
        kept = tuple(node for node in self.nodes if node in nodes)
        gone = [node for node in self.nodes if node not in nodes]
        cast = tuple(part for part in self.cast if part.node in kept)
        return replace(
            self,
            nodes=kept,
            plan=tuple(fault for each in self.plan if (fault := _without(each, gone)) is not None),
            twins=tuple(node for node in self.twins if node in kept),
        ).of(cast)

    def of(self, cast: Sequence[Part]) -> Story:
        """The same with these clients only, and what they do."""
        names = [part.name for part in cast]
        acts = tuple(act for act in self.acts if act.who in ("stage", "fleet", *names) and not self._strange(act))
        return replace(self, cast=tuple(cast), acts=acts)

    def _strange(self, act: Act) -> bool:
        """Whether it names a node that does not take part."""
        known = (*self.nodes, *(f"{node}-twin" for node in self.twins))
        return act.who in ("stage", "fleet") and any(name not in known for name in act.arguments)


def drawn(scenario: Scenario, nodes: int, seed: int) -> Story:
    """The story that a scenario draws for a seed. Raises Unwritable."""
    stage = Stage(seed, nodes, scenario.settings())
    plan = scenario.prepare(stage)
    return Story(
        scenario=scenario,
        name=f"{scenario.name}-{seed}",
        seed=seed,
        nodes=tuple(stage.names),
        cast=(
            *(
                Publishing(node=one.node, habits=one.habits, name=one.name, remote=one.remote, roaming=one.roaming)
                for one in stage.publishers
            ),
            *(
                Consuming(
                    node=one.node, topic=one.topic, channel=one.channel, habits=one.habits, name=one.name,
                    late_s=stage.late.get(one.name, 0.0), remote=one.remote, roaming=one.roaming,
                )
                for one in stage.consumers
            ),
            *(
                Administering(node=one.node, name=one.name, operator=isinstance(one, Operator)) for one in stage.admins
            ),
        ),
        plan=tuple(plan),
        acts=tuple(_act(stage, *act) for act in stage.acts if not _is_coming(act[1])),
        twins=tuple(stage.twins.values()),
        forgiven=tuple(sorted(stage.forgiven)),
        owed=tuple(stage.ledger.owed_from),
        level=stage.level,
        memory_bytes=stage.memory_bytes if stage.memory_bytes != stage.settings.broker.memory_bytes_max else 0,
        active_s=scenario.active_s,
    )  # fmt: skip


def _is_coming(call: Any) -> bool:
    """Whether it is a late consumer's start, which the consumer's part tells."""
    return getattr(call, "__name__", "") == "start" and isinstance(getattr(call, "__self__", None), Client)


def _act(stage: Stage, at_s: float, call: Any, arguments: tuple[Any, ...]) -> Act:
    owner = getattr(call, "__self__", None)
    if isinstance(owner, Client):
        who = owner.name
    elif isinstance(owner, Stage | Fleet):
        who = "stage" if owner is stage else "fleet"
    else:
        raise Unwritable(f"{call!r} at {at_s:.3f} s")
    return Act(at_s=at_s, who=who, verb=call.__name__, arguments=arguments)


def _enter(stage: Stage, part: Part) -> Client:
    match part:
        case Publishing():
            return stage.publisher(part.node, part.habits, name=part.name, remote=part.remote, roaming=part.roaming)
        case Consuming():
            return stage.consumer(
                part.node, part.topic, part.channel, part.habits,
                name=part.name, late_s=part.late_s, remote=part.remote, roaming=part.roaming,
            )  # fmt: skip
        case Administering():
            return (stage.operator if part.operator else stage.admin)(part.node, name=part.name)


def _without(fault: Fault, gone: Sequence[str]) -> Fault | None:
    """The fault among those who are left; None when it was one of those who are gone."""
    if isinstance(fault, Partition):
        groups = tuple(kept for group in fault.groups if (kept := tuple(name for name in group if name not in gone)))
        return replace(fault, groups=groups) if len(groups) > 1 else None
    return None if any(getattr(fault, each.name) in gone for each in fields(fault)) else fault
