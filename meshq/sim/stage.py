"""The stage of one run: a mesh of engines, clients, the ledger, and what the checkers found.

Decides how a run goes: nodes start and join, consumers subscribe, publishers publish while the plan of faults
happens, then everything is mended and must settle. What happens in between is the scenario's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal, TypeAlias, cast

from meshq.broker.broker import Broker
from meshq.config import BrokerConfig, Config, LinkConfig, MembershipConfig, RoutingConfig
from meshq.engine.engine import Engine
from meshq.membership.member import State
from meshq.sim import faults
from meshq.sim.clients import Admin, Client
from meshq.sim.consumer import Consumer, ConsumerHabits
from meshq.sim.faults import Fault, Pause, Slow, SlowReader, Starve
from meshq.sim.fleet import Fleet
from meshq.sim.ledger import Ledger, Message
from meshq.sim.losses import Losses
from meshq.sim.network import LAN, Weather
from meshq.sim.operator import Operator
from meshq.sim.publisher import Publisher, PublisherHabits
from meshq.sim.start import Machine, Start
from meshq.sim.world import World
from meshq.wire import gossip
from meshq.wire.frames import Audit, Frame
from meshq.wire.gossip import Claim
from meshq.wire.keyring import SECRET_BYTES, Key, Keyring
from meshq.wire.prefix import Prefix

STOP_AT_FINDINGS: int = 5


Level: TypeAlias = Literal["memory", "disk", "fsync"]


class Broken(Exception):
    """A checker found something that must stop the run."""


@dataclass(kw_only=True)
class Settings:
    """What a scenario may change about its nodes."""

    membership: MembershipConfig = field(default_factory=MembershipConfig)
    routing: RoutingConfig = field(default_factory=RoutingConfig)
    broker: BrokerConfig = field(default_factory=BrokerConfig)
    link: LinkConfig = field(default_factory=LinkConfig)
    weather: Weather = LAN
    zones: int = 1
    seeds: int = 2
    """Other nodes that each node is told of."""
    level: Level = "disk"
    """What publishes are confirmed at; ``memory``: nodes have no store."""
    sealed: bool = False
    """Whether the nodes have a key."""


class Stage:
    """Everything of one run."""

    def __init__(self, seed: int, nodes: int | Sequence[str], settings: Settings) -> None:
        self.settings = settings
        self.level = settings.level
        self.memory_bytes = settings.broker.memory_bytes_max
        self.names = [f"n{number}" for number in range(1, nodes + 1)] if isinstance(nodes, int) else list(nodes)
        self.ledger = Ledger()
        self.publishers: list[Publisher] = []
        self.consumers: list[Consumer] = []
        self.admins: list[Admin] = []
        self.plan: list[Fault] = []
        self.slow: set[str] = set()
        """Nodes that read late at times."""
        self.findings: list[str] = []
        self.kinds: dict[str, float] = {}
        """Kinds of what was found (a checker's name, or where a machine failed), and when each was first."""
        self.sought = ""
        """The kind of finding that ends the run at once: the only one that anybody asks for."""
        self.started_at = 0.0
        """When the active part began; the plan's times count from here."""
        self.mended_at = 0.0
        """When the active part was over."""
        self.calm = False
        """Whether faults have ended for good."""
        self.forgiven: set[str] = set()
        """Topics whose messages may vanish, because the scenario asks for it (delete)."""
        self.emptied_at: dict[tuple[str, str], float] = {}
        """Channels that were emptied, and when."""
        self.retired: set[str] = set()
        """Hosts that are not started again when all is mended: others took their names."""
        self.forgotten: list[tuple[float, str, str]] = []
        """When which holder forgot what which origin had lent it."""
        self.acts: list[tuple[float, Callable[..., Any], tuple[Any, ...]]] = []
        """What else is done: when in the active part, and the call."""
        self.late: dict[str, float] = {}
        """Consumers that come late, and when in the active part."""
        self.twins: dict[str, str] = {}
        """Hosts that run under the name of another, and that name."""
        self.fleet = Fleet(seed, self._build, weather=settings.weather, stores=settings.level != "memory")
        self.losses = Losses(self.fleet)
        keys = Keyring([Key(self.rng("key").randbytes(SECRET_BYTES))]).text() if settings.sealed else ""
        for name in self.names:
            self.fleet.add(name).keys = keys

    @property
    def world(self) -> World:
        return self.fleet.world

    def rng(self, *purpose: str | int) -> Random:
        """Chance for the scenario."""
        return self.world.rng("scenario", *purpose)

    def engine(self, name: str) -> Engine | None:
        """The engine that runs on a host, if one does."""
        machine = self.fleet.hosts[name].machine
        return machine if isinstance(machine, Engine) else None

    def engines_by_host(self) -> list[tuple[str, Engine]]:
        """Every running engine by the name of its host."""
        return [(host.name, machine) for host in self.fleet.running if isinstance(machine := host.machine, Engine)]

    def engines(self) -> list[tuple[str, Engine]]:
        """Every running engine by its own name."""
        return [(engine.config.name, engine) for _, engine in self.engines_by_host()]

    def find(self, text: str, kind: str = "Stage") -> None:
        """Something that must hold does not; the run ends once there are several, or with the one that is sought."""
        self.findings.append(f"at {self.world.now:.4f} s: {text}")
        self.kinds.setdefault(kind, self.world.now)
        self.world.note("FOUND", text)
        if len(self.findings) >= STOP_AT_FINDINGS or kind == self.sought:
            raise Broken(text)

    # The cast.

    def publisher(self, node: str, habits: PublisherHabits, *, name: str = "", **where: bool) -> Publisher:
        """One more publisher; its chance comes from its name, which is its number unless one is given."""
        name = name or f"p{len(self.publishers) + 1}"
        publisher = Publisher(self.fleet, self.ledger, name, node, habits, **where)
        self.publishers.append(publisher)
        return publisher

    def consumer(
        self, node: str, topic: str, channel: str, habits: ConsumerHabits,
        *, name: str = "", late_s: float = 0.0, **where: bool,
    ) -> Consumer:  # fmt: skip
        """One more consumer, there from the beginning or ``late_s`` into the active part."""
        name = name or f"c{len(self.consumers) + 1}"
        consumer = Consumer(self.fleet, self.ledger, name, node, topic, channel, habits, **where)
        self.consumers.append(consumer)
        if late_s:
            self.late[name] = late_s
            self.act(late_s, consumer.start)
        return consumer

    def keep_at(self, level: Level, memory_bytes: int = 0) -> None:
        """Confirm publishes at another level than the settings say, at every node; before they start.

        ``memory_bytes``: what messages may take in memory, instead of what the settings say.
        """
        self.level, self.fleet.stores = level, level != "memory"
        self.memory_bytes = memory_bytes or self.memory_bytes
        for host in self.fleet.hosts.values():
            host.stores = self.fleet.stores

    def operator(self, node: str, *, name: str = "") -> Operator:
        """One who changes the keys of the mesh."""
        operator = Operator(self.fleet, self.ledger, name or f"a{len(self.admins) + 1}", node)
        self.admins.append(operator)
        return operator

    def admin(self, node: str, *, name: str = "") -> Admin:
        """One more administrator."""
        admin = Admin(self.fleet, self.ledger, name or f"a{len(self.admins) + 1}", node, roaming=True)
        self.admins.append(admin)
        return admin

    def twin(self, node: str) -> str:
        """A host that is off and will run under the name of ``node``; returns its own."""
        host = self.fleet.add(f"{node}-twin")
        self.twins[host.name] = node
        self.retired.add(node)
        return host.name

    def act(self, at_s: float, call: Callable[..., Any], *arguments: Any) -> None:
        """Have something done ``at_s`` seconds into the active part."""
        self.acts.append((at_s, call, arguments))

    def slander(self, hears: str, accused: str, by: str) -> None:
        """``hears`` gets a rumour from ``by`` that another one is dead, if its link to that one works."""
        engine, host = self.engine(hears), self.fleet.hosts[hears]
        if engine is None or host.now - engine.links.heard_at(accused) > 1.0:
            return
        member = engine.membership.members[accused]
        claim = Claim(int(State.DEAD), accused, member.epoch, member.incarnation, by)
        packet = Prefix(engine.config.label).wrap(gossip.gossip(by, [gossip.encode_claim(claim)]))
        self.world.note(hears, f"hears from {by} that {accused} is dead")
        host.call("datagram", packet, self.fleet.address(by))

    def owe_everything(self, topic: str, channel: str) -> None:
        """Everything is due to the channel from the first message on: the topic's backlog is its."""
        self.ledger.owed_from[topic, channel] = 0.0

    def owe_from_now(self, topic: str, channel: str) -> None:
        """What was sent before is not due to the channel any more."""
        self.ledger.owed_from[topic, channel] = self.world.now

    def emptied(self, topic: str, channel: str) -> None:
        """Somebody just emptied the channel: what was sent before is not due to it, and is not to come."""
        self.emptied_at[topic, channel] = self.world.now
        self.owe_from_now(topic, channel)

    def forget_extent(self, holder: str, origin: str) -> None:
        """The broker at ``holder`` forgets one message that ``origin`` lent it, as its next audit will show."""
        engine = self.engine(holder)
        if engine is None:
            return
        links, broker = engine.links, engine.broker

        def forgetful(now: float, peer: str) -> list[Frame]:
            frames = broker.heartbeat(now, peer)
            held = next((at for at, frame in enumerate(frames) if type(frame) is Audit and _holds(frame)), None)
            if peer == origin and held is not None:
                frames[held] = _one_less(frames[held])
                self.forgotten.append((self.world.now, holder, origin))
                self.world.note(holder, f"forgets an extent of {origin}")
                links._broker = broker
            return frames

        links._broker = cast("Broker", _Forgetful(broker, forgetful))

    # The acts.

    def open(self, within_s: float = 15.0) -> bool:
        """Nodes start and join, consumers subscribe; False if that takes too long."""
        for name in self.names:
            self.fleet.hosts[name].start()
        for client in self._clients():
            if client.name not in self.late:
                client.start()
        ready = self.world.run_while(self._starting, within_s=within_s)
        self.started_at = self.world.now
        return ready

    def play(self, plan: Sequence[Fault], active_s: float) -> None:
        """Publishers publish, faults happen."""
        self.plan = list(plan)
        self.slow = {fault.node for fault in plan if isinstance(fault, Pause | Starve | Slow | SlowReader)}
        faults.schedule(self.fleet, self.plan, self.started_at)
        for at_s, call, arguments in self.acts:
            self.world.at(self.started_at + at_s, call, *arguments)
        for publisher in self.publishers:
            publisher.publish_until_stopped()
        self.world.run_until(self.started_at + active_s)

    def mend(self) -> None:
        """All faults end, everybody is back, consumers behave."""
        self.world.note("stage", "faults end, everything is mended")
        self.fleet.calm_down()
        for name, host in self.fleet.hosts.items():
            if not host.running and name not in self.retired:
                host.restart()
        for client in self._clients():
            client.roaming = True
        for publisher in self.publishers:
            publisher.stop()
        for consumer in self.consumers:
            consumer.settle_down()
        for admin in self.admins:
            admin.settle_down()
        self.mended_at = self.world.now
        self.calm = True

    def settle(self, within_s: float) -> bool:
        """Run until nothing is outstanding; False if something still is."""
        return self.world.run_while(self.unsettled, within_s=within_s, check_s=0.5)

    def unsettled(self) -> bool:
        """Whether something is still under way anywhere."""
        return (
            any(publisher.busy for publisher in self.publishers)
            or any(admin.busy for admin in self.admins)
            or any(engine.messages_left for _, engine in self.engines())
            or bool(self.outstanding())
        )

    def outstanding(self) -> list[tuple[Message, str]]:
        """What is owed by an origin that runs, and was not lost in a way that the message's level allows."""
        return [
            (message, channel)
            for message, channel in self.ledger.owed()
            if message.topic not in self.forgiven and not self.losses.excuse(message)
        ]

    def _starting(self) -> bool:
        return any(not engine.ready for _, engine in self.engines()) or any(
            not consumer.subscribed for consumer in self.consumers if consumer.name not in self.late
        )

    def _clients(self) -> list[Client]:
        return [*self.publishers, *self.consumers, *self.admins]

    def _build(self, start: Start) -> Machine:
        return Engine(
            self._config(start),
            start.epoch,
            start.rng,
            bound=start.bound,
            recovered=start.recovered,
            secrecy=start.secrecy,
        )

    def _config(self, start: Start) -> Config:
        settings = self.settings
        name = self.twins.get(start.name, start.name)
        at = self.names.index(name)
        count = min(settings.seeds, len(self.names) - 1)
        seeds = tuple(self.names[(at + 1 + number) % len(self.names)] for number in range(count))
        return Config(
            name=name,
            zone=f"z{at % settings.zones}" if settings.zones > 1 else "",
            seeds=seeds,
            membership=settings.membership,
            routing=settings.routing,
            broker=replace(settings.broker, level=self.level, memory_bytes_max=self.memory_bytes),
            link=settings.link,
        ).check()


class _Forgetful:
    """A broker as its links see it, but for its heartbeat. The broker's own can't be replaced where it is compiled."""

    def __init__(self, broker: Broker, heartbeat: Callable[[float, str], list[Frame]]) -> None:
        self._broker = broker
        self.heartbeat = heartbeat

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


def _holds(audit: Audit) -> bool:
    return any(held for _, _, held in audit.counts)


def _one_less(audit: Frame) -> Frame:
    """The audit of a holder that forgot one message."""
    assert type(audit) is Audit
    counts = list(audit.counts)
    at = next(at for at, (_, _, held) in enumerate(counts) if held)
    log, received, held = counts[at]
    counts[at] = (log, received, held - 1)
    return audit._replace(counts=counts)
