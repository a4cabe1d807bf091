"""What a node tells of itself, as plain maps: the answers to members, topics, stats and the like.

Decides the shape of the answers; every figure is read from the counters of the machine that keeps it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from meshq.broker.broker import Broker
from meshq.config import Config
from meshq.engine.counters import Counters, as_map
from meshq.engine.departure import Departure
from meshq.engine.links import Links
from meshq.engine.pages import VALUES_MAX, after_of, only_of, page
from meshq.engine.questions import Answerer
from meshq.engine.streams import Streams
from meshq.machine.form import COMPILED
from meshq.membership.member import Member
from meshq.membership.membership import Membership
from meshq.names import LEVELS, MEMORY, RELEASE
from meshq.routing.routing import Routing

HEALTHY: Final = "OK"


class Views:
    """Answers questions about one node."""

    def __init__(
        self,
        config: Config,
        membership: Membership,
        routing: Routing,
        broker: Broker,
        links: Links,
        streams: Streams,
        departure: Departure,
        counters: Counters,
    ) -> None:
        self._config = config
        self._membership = membership
        self._routing = routing
        self._broker = broker
        self._links = links
        self._streams = streams
        self._departure = departure
        self._counters = counters
        self.started_at = 0.0
        self.kinds: dict[str, Answerer] = {
            "members": self.members,
            "topics": self.topics,
            "stats": self.stats,
            "config": self.config,
            "ping": self.ping,
        }

    def members(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """A page of the members known, by name; this node is on the first."""
        me, after = self._membership.me, after_of(arguments)
        others = [member for name, member in sorted(self._membership.members.items()) if after < name != me.name]
        rows, end = page((self._member(now, member) for member in others), "name", VALUES_MAX)
        return {"members": rows if after else [self._member(now, me), *rows], "next": end}

    def topics(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """A page of the catalog with who consumes what, or of it the one ``topic``."""
        rows, end = page(self._routing.topics(after_of(arguments), only_of(arguments)), "topic", VALUES_MAX)
        return {"topics": rows, "next": end}

    def stats(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """This node's counters, links and a page of its topics with their channels, or of them the one ``topic``."""
        share = VALUES_MAX // (1 + len(self._membership.alive()))
        topics, end = page(self._broker.stats(after_of(arguments), only_of(arguments)), "topic", share)
        return {
            "node": self._config.name,
            "name": self._config.name,
            "version": RELEASE,
            "compiled": COMPILED,
            "uptime_s": round(now - self.started_at, 3),
            "level": self._config.broker.level if self._broker.stores else LEVELS[MEMORY],
            "health": self._broker.trouble or HEALTHY,
            "draining": self._departure.draining,
            "topics": topics,
            "next": end,
            "links": [link.name for link in self._links.all()],
            "connections": len(self._streams),
            "memory_bytes": self._broker.memory_bytes,
            "memory_bytes_max": self._config.broker.memory_bytes_max,
            "counters": {
                "engine": as_map(self._counters),
                "membership": as_map(self._membership.counters),
                "routing": as_map(self._routing.counters),
                "broker": as_map(self._broker.counters),
            },
        }

    def config(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """The settings in force."""
        return asdict(self._config)

    def ping(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """How the node is, quickly: OK, or what is wrong with its store; and whether it is about to leave."""
        return {"health": self._broker.trouble or HEALTHY, "draining": self._departure.draining}

    def snapshot(self) -> dict[str, Any]:
        """For checkers: plain values, nothing shared."""
        return {
            "members": {
                name: (member.state.name, tuple(member.epoch), member.incarnation)
                for name, member in self._membership.members.items()
            },
            "topics": list(self._routing.topics()),
            "queues": list(self._broker.stats()),
            "links": sorted(link.name for link in self._links.all()),
        }

    def _member(self, now: float, member: Member) -> dict[str, Any]:
        host, port = member.address
        rtt_s = self._membership.rtt_s(member)
        return {
            "name": member.name,
            "state": member.state.name.lower(),
            "host": host,
            "port": port,
            "http_port": member.http_port,
            "nsq_port": member.nsq_port,
            "epoch_ms": member.epoch.ms,
            "incarnation": member.incarnation,
            "version": member.version,
            "zone": member.zone,
            "self": member is self._membership.me,
            "lag_ms": member.lag_ms,
            "rtt_ms": None if rtt_s is None else round(rtt_s * 1000, 3),
            "since_s": round(now - max(self.started_at, member.since), 3),
        }
