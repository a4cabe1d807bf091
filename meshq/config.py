"""Every setting of a node, grouped as the house is, with unit, default and reason.

Frozen, checked once at the door (``check``), trusted inside. Where a setting comes from (flag,
environment, file) is the command line's business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, Final

from meshq.errors import ConfigError
from meshq.names import LEVELS

KIB = 1024
MIB = 1024 * 1024
DRAIN_TIMEOUT_S: Final = 25.0
"""How long a node may take to hand over what it holds when nobody says."""
GIB = 1024 * MIB

ZERO_ALLOWED: Final = frozenset(
    {
        "accused_copies",
        "barrier_s",
        "dead_max",
        "dedupe_window_s",
        "delay_max_s",
        "ephemeral_linger_s",
        "extra_probe_every",
        "first_channels_s",
        "grace_s",
        "lag_allowed_max_s",
        "late_fins_max",
        "late_margin_s",
        "linger_s",
        "loop_interval_s",
        "nacks_needed",
        "peers_asked",
        "read_barrier_s",
        "relays",
        "repair_interval_s",
        "requeue_delay_max_s",
        "retained_bytes_max",
        "retained_memory_bytes_max",
        "retransmit_min",
        "suspicion_mult",
        "suspicion_rest_s",
        "suspicion_spreads",
        "window_bytes_max",
        "window_s",
        "window_topic_bytes_max",
    }
)
"""Settings whose 0 means "none of it"; every other number is above 0, and all are finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipConfig:
    """SWIM, and what meshq adds to it; the defaults are the profile ``lan``. ``membership_profile`` has others."""

    probe_interval_s: float = 1.0
    """One member is probed in each, whatever became of the probe before."""
    probe_timeout_s: float = 0.3
    """Wait for a direct ack before asking relays; about three round trips on a bad day."""
    probe_shots: int = 3
    """Pings in that time, evenly apart, while no ack has come: with loss p a probe of one fails in p of all cases, of
    three in p^3."""
    relay_timeout_s: float = 0.3
    """Wait for an ack through relays after that."""
    relays: int = 3
    """Members asked to ping for us (k of the paper)."""
    relay_copies: int = 2
    """Requests to each of them in that time, evenly apart, and of each nack at once."""
    relay_shots: bool = True
    """Whether a direct ping goes with each of these: two or three nodes have no relays that could do without."""
    nacks: bool = True
    """Whether a relay that hears nothing from the member says so (Lifeguard)."""
    nacks_needed: int = 1
    """Nacks without which other relays are asked once more before the probe counts as failed: who says that it hears
    nothing shows that we hear. 1 is as good as 2."""
    stream_probe: bool = True
    """Whether a member that does not answer a ping is asked over a stream as well, while relays are."""
    buddy: bool = True
    """Whether a ping tells its target what is held against it (Lifeguard's buddy system)."""
    suspicion_mult: int = 0
    """Least suspicion: suspicion_mult * max(1, log10 N) * probe_interval_s ..."""
    suspicion_spreads: float = 4.0
    """... and suspicion_spreads * D(N), the time in which gossip reaches everybody: what a suspicion is for is that it
    gets to the suspect and the refutation back ..."""
    suspicion_rest_s: float = 1.0
    """... and this much."""
    suspicion_max_mult: int = 1
    """Longest suspicion, without confirmations, as a multiple of the least."""
    even_probes: bool = True
    """Whether the mesh spreads its probes, so that each member has one in every interval, or each node takes its own
    shuffled rounds."""
    extra_probe_every: int = 4
    """In one of so many rounds a node probes another member besides, at random: 0: never. Probes that are spread rest
    on views that agree."""
    loop_interval_s: float = 0.5
    """How often a node measures how late it reads, by a packet to its own socket; 0: never."""
    lag_threshold_s: float = 0.25
    """A node that reads or wakes so much late says so: a lag of 1, 3, 6 or 12 s in its own record."""
    lag_hold_s: float = 60.0
    """That is held so long after it was last reached: held for less than the time between two bad spells it is lost."""
    lag_allowed_max_s: float = 12.0
    """The most that a member is allowed for its lag, in waits for answers and in its suspicion; 0: none, so nobody
    stays a member for ever by calling itself slow."""
    read_barrier_s: float = 12.0
    """The longest that a failed probe and a suspicion that has run out wait until what came before is read; 0: not at
    all. More than the lateness that is to be borne."""
    peers_asked: int = 2
    """Members asked, each time, before a suspicion that has run out becomes a death."""
    peer_tries: int = 6
    """Times that this is done; then the death stands."""
    peer_timeout_s: float = 0.3
    """Wait for the first answer; half as much again after each."""
    grace_s: float = 6.0
    """So long after it came a node allows every member grace_lag_s: who is slow has not told it yet."""
    grace_lag_s: float = 3.0
    health_max: int = 1
    """Local health counts from 0 to health_max - 1 and stretches the probe interval and its waits."""
    gossip_interval_s: float = 0.1
    """Rumours leave this often while there are any, besides those that ride on probes."""
    gossip_fanout: int = 3
    """Members told in each of them."""
    retransmit_mult: int = 4
    """Copies of a rumour per node: retransmit_mult * ceil(log10(N + 1)) ..."""
    retransmit_min: int = 12
    """... and at least so many: with 8, chance leaves one of fifty nodes out in 1 of 60 cases; with 12, of 3,000."""
    refutation_share: float = 1.5
    """So many times as many of a refutation: lost refutations are what kills the living."""
    refutation_fanout: int = 6
    """Members that hear of a node's own refutation at once."""
    accused_copies: int = 2
    """Packets in which an accused is told at once, by whose probe failed, besides the pings of the buddy system."""
    rumours_max: int = 4096
    """Rumours waiting to be passed on; beyond it the most often sent goes first."""
    repair_interval_s: float = 0.0
    """An exchange with a random member at least this often; differing digests start one sooner. 0: only these do."""
    rejoin_interval_s: float = 5.0
    """One of the dead, or a seed, is tried this often across the mesh: partitions heal by it."""
    seed_retry_min_s: float = 0.5
    """Wait before a seed is tried again, doubled each time ..."""
    seed_retry_max_s: float = 15.0
    """... up to this; a seed is tried for ever."""
    alone_after_s: float = 3.0
    """Without an answer from any seed for this long a node says it is alone and serves; likewise when those that had
    answered are gone before it knows their topics."""
    members_max: int = 10_000
    """Live members known; a joiner beyond it is refused."""
    senders_max: int = 20_000
    """Starts of nodes whose sealed packets are told from repeated ones, 500 bytes each at most; least recent go."""
    dead_max: int = 10_000
    """Dead and left members remembered, oldest forgotten first."""
    exchange_timeout_s: float = 10.0
    """A join or repair over a stream that takes longer is given up."""


_MEMBERLIST: Final[dict[str, Any]] = {
    "probe_timeout_s": 0.5,
    "probe_shots": 1,
    "relay_timeout_s": 0.5,
    "relay_copies": 1,
    "relay_shots": False,
    "nacks_needed": 0,
    "suspicion_mult": 4,
    "suspicion_max_mult": 6,
    "suspicion_spreads": 0.0,
    "suspicion_rest_s": 0.0,
    "health_max": 8,
    "gossip_interval_s": 0.2,
    "retransmit_min": 0,
    "refutation_share": 1.0,
    "refutation_fanout": 3,
    "accused_copies": 0,
    "even_probes": False,
    "extra_probe_every": 0,
    "loop_interval_s": 0.0,
    "lag_allowed_max_s": 0.0,
    "read_barrier_s": 0.0,
    "peers_asked": 0,
    "grace_s": 0.0,
    "repair_interval_s": 30.0,
}
_PROFILES: Final[dict[str, dict[str, Any]]] = {
    "lan": {},
    "wan": {
        "probe_interval_s": 2.0, "probe_timeout_s": 1.2, "relay_timeout_s": 1.2, "gossip_interval_s": 0.2,
        "gossip_fanout": 4, "suspicion_spreads": 3.0, "suspicion_rest_s": 3.0, "lag_threshold_s": 0.5,
        "peer_timeout_s": 0.8, "grace_s": 10.0, "exchange_timeout_s": 30.0,
    },
    "local": {
        "probe_interval_s": 0.5, "probe_timeout_s": 0.2, "relay_timeout_s": 0.2, "suspicion_spreads": 3.0,
        "peer_timeout_s": 0.2,
    },
    "memberlist": _MEMBERLIST,
    "swim": {**_MEMBERLIST, "nacks": False, "buddy": False, "suspicion_max_mult": 1, "health_max": 1},
}  # fmt: skip
PROFILES: Final = tuple(_PROFILES)
"""Names of sets of membership settings: three to run with, two to compare with."""


def membership_profile(name: str) -> MembershipConfig:
    """The membership settings of that name; ConfigError for one that is not in PROFILES.

    ``lan`` is the default, ``wan`` for hosts far apart (round trips of up to half a second), ``local`` for nodes on one
    host. ``memberlist`` is the LAN timing of hashicorp/memberlist with all of Lifeguard (config.go, DefaultLANConfig),
    ``swim`` the same without Lifeguard: what the others are compared with.
    """
    if name not in PROFILES:
        raise ConfigError(f"no membership profile {name!r}: give one of {', '.join(PROFILES)}")
    return MembershipConfig(**_PROFILES[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingConfig:
    """Catalog and interest."""

    barrier_s: float = 1.0
    """How long subscribe waits for live members to acknowledge a new channel."""
    announce_retry_s: float = 0.1
    """First wait for an acknowledgement; half as much again after each, up to announce_retry_max_s."""
    announce_retry_max_s: float = 2.0
    announce_tries: int = 10
    """About eight seconds; a member that still has not acknowledged is left to repair."""
    announce_burst: int = 200
    """Datagrams sent within announce_pace_s; what is above waits: a large mesh must not overflow its own buffers."""
    announce_pace_s: float = 0.01
    topics_max: int = 10_000
    """Live topics; beyond it a new one is refused. Uses of several nodes at one moment may exceed it by a quarter."""
    channels_max: int = 100
    """Channels of one topic; as above."""
    interest_max: int = 100_000
    """(topic, channel) pairs on which one node may have consumers; beyond it a new one is refused."""
    pairs_max: int = 1_000_000
    """(node, topic, channel) remembered of all others, about 200 bytes each; more is not taken, and counted."""
    tombstones_max: int = 100_000
    """Deleted names remembered; beyond it the oldest is forgotten early."""
    tombstone_s: float = 30 * 86_400.0
    """How long they are remembered: a node away for longer takes the mesh's catalog."""
    topic_unused_s: float = 30 * 86_400.0
    """A topic without channels, messages and settings goes by itself when nobody used it for so long."""
    ephemeral_linger_s: float = 10.0
    """How long an #ephemeral channel outlives its last consumer."""
    repair_quiet_s: float = 1.0
    """A head that differs for this long is asked for what it has; at most one repair a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """Topics, channels, logs, credit."""

    message_bytes_max: int = 1 * MIB
    """Largest message, headers not counted (NSQ's max-msg-size)."""
    batch_bytes_max: int = 256 * KIB
    """A batch is at most this large unless one message is larger."""
    batch_messages_max: int = 256
    """Publishes of one turn are joined up to this many messages."""
    publish_bytes_max: int = 5 * MIB
    """Largest publish of one call (NSQ's max-body-size)."""
    level: str = "disk"
    """How safe a message is when its publish is confirmed: memory, disk or fsync. Without a store: memory."""
    memory_bytes_max: int = 256 * MIB
    """Memory for messages of this node as origin, 600 bytes added for each batch: what is above stays in the store;
    without one it is refused."""
    store_queue_bytes_max: int = 64 * MIB
    """Batches on their way to the store, 600 bytes added for each; beyond it publishes are refused."""
    keyed_bytes_max: int = 4 * MIB
    """Unfinished batches with an ordering key that a channel looks at in one log, 600 bytes added for each and at
    most an eighth of the memory; beyond it what follows waits, whatever its key."""
    topic_messages_max: int = 10_000_000
    """Unfinished messages of one topic at this node; beyond it publishes are refused."""
    dedupe_window_s: float = 120.0
    """How long a publish id is known, where the topic does not say; 0: not at all."""
    dedupe_ids_max: int = 100_000
    """Publish ids known at a time; beyond it the oldest is forgotten, and counted."""
    delay_max_s: float = 365 * 86_400.0
    """Longest deferral of a publish."""
    message_timeout_s: float = 60.0
    """A message handed over and neither finished nor touched for this long is requeued."""
    requeue_delay_max_s: float = 3_600.0
    """Longest delay of a requeue; a longer one is shortened to it."""
    errors_max: int = 1_000
    """Runs of messages of one channel and log of which the first and last error are kept; lowest numbers go first."""
    window_s: float = 10.0
    """Recent batches kept for channels that are heard of late."""
    window_topic_bytes_max: int = 16 * MIB
    """The same in bytes, of one topic ..."""
    window_bytes_max: int = 64 * MIB
    """... and of the node; the oldest batches go first."""
    retained_bytes_max: int = 8 * GIB
    """Finished messages kept for replay, of all topics of this node together; the oldest go first."""
    retained_memory_bytes_max: int = 64 * MIB
    """Of them what the store does not have; at most a quarter of memory_bytes_max, and the oldest go first."""
    first_channels_s: float = 10.0
    """Channels created this soon after a topic's first start where the first started."""
    late_margin_s: float = 1.0
    """A channel heard of late starts this much too early, for delays on the way that nobody measured."""
    late_fins_max: int = 10_000
    """Timed-out extents of one consumer of which a late finish still counts; oldest forgotten first."""
    max_in_flight: int = 2_500
    """Default of a consumer."""
    max_in_flight_max: int = 1_000_000
    """The most messages that a consumer may ask for."""
    in_flight_bytes_max: int = 64 * MIB
    """Default bytes that a consumer may hold."""
    linger_s: float = 0.05
    """How long room below a quarter of a channel's capacity is kept for more to come free before it is granted."""
    handover_bytes: int = 2 * MIB
    """What a draining node has on its way to those that take its logs over: kept by them, or waited for."""
    takeovers_max: int = 16
    """Logs that other nodes may be handing over to this one at a time; more are declined."""
    unacknowledged_fins_max: int = 100_000
    """Spans finished but not yet acknowledged by their origin, per origin and channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConfig:
    """Streams between nodes, and between clients and nodes."""

    frame_bytes_max: int = 8 * MIB
    """Largest frame; a longer one ends the stream before it is read."""
    hello_timeout_s: float = 5.0
    """A stream whose hello has not come by then is closed."""
    heartbeat_s: float = 1.0
    """A ping leaves when nothing else did for this long."""
    silent_s: float = 5.0
    """A link without a byte for this long is dead: its leases go back."""
    idle_close_s: float = 60.0
    """A link without leases, messages or unacknowledged FINs for this long is closed."""
    write_buffer_bytes: int = 256 * KIB
    """Extents stay in the broker while the transport holds more than this."""
    unread_bytes_max: int = 256 * MIB
    """A peer for which more than this waits in the transport loses the stream: it does not read."""
    links_max: int = 4096
    """Streams from other nodes; beyond it a new one is refused."""
    clients_max: int = 4096
    """Streams from clients; beyond it a new one is refused."""
    redial_min_s: float = 0.1
    """Wait before a link is dialled again, doubled each time ..."""
    redial_max_s: float = 5.0
    """... up to this."""
    asks_max: int = 1024
    """Questions outstanding on one link."""
    publish_messages: int = 65_536
    """Credit of one client for unconfirmed messages."""
    publish_bytes: int = 32 * MIB
    """The same in bytes; the client waits when it is used up."""
    subscriptions_max: int = 1024
    """Of one client."""
    events_max: int = 1024
    """Events waiting for one listener, at the node and at the client; beyond it the oldest are dropped and counted
    (Lost)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One node's settings."""

    name: str
    """Unique in the mesh."""
    label: str = "meshq"
    """The mesh's name: nodes of different labels never meet."""
    zone: str = ""
    """Where the node is; consumers in the same zone are preferred."""
    seeds: tuple[str, ...] = ()
    """Where to find the mesh: host, host:port, [IPv6]:port or a DNS name with any number of addresses."""
    http_port: int = 0
    """Told to other members; 0: no HTTP door."""
    nsq_port: int = 0
    """Told to other members; 0: no NSQ door."""
    membership: MembershipConfig = field(default_factory=MembershipConfig)
    routing: RoutingConfig = field(default_factory=RoutingConfig)
    broker: BrokerConfig = field(default_factory=BrokerConfig)
    link: LinkConfig = field(default_factory=LinkConfig)

    def check(self) -> Config:
        """Itself, if every number is one to run with and no setting contradicts another; else ConfigError, by name."""
        for group in ("membership", "routing", "broker", "link"):
            _check_numbers(group, getattr(self, group))
        for what, wrong in (
            ("label: give 1 to 64 characters", not 0 < len(self.label) <= 64),
            ("zone: give at most 64 printable characters", len(self.zone) > 64 or not self.zone.isprintable()),
            (f"broker.level: give one of {', '.join(LEVELS)}", self.broker.level not in LEVELS),
            (
                "membership.probe_timeout_s must be less than probe_interval_s",
                self.membership.probe_timeout_s >= self.membership.probe_interval_s,
            ),
            ("link.silent_s must be more than twice heartbeat_s", self.link.silent_s <= 2 * self.link.heartbeat_s),
            (
                "link.frame_bytes_max must hold broker.publish_bytes_max",
                self.link.frame_bytes_max < self.broker.publish_bytes_max + 4096,
            ),
        ):
            if wrong:
                raise ConfigError(what)
        return self


def _check_numbers(group: str, settings: MembershipConfig | RoutingConfig | BrokerConfig | LinkConfig) -> None:
    for each in fields(settings):
        number = getattr(settings, each.name)
        if isinstance(number, (str, bool)):
            continue
        least = "0 or more" if each.name in ZERO_ALLOWED else "above 0"
        if not math.isfinite(number) or number < 0 or (number == 0 and each.name not in ZERO_ALLOWED):
            raise ConfigError(f"{group}.{each.name}: give a number {least}, not {number:g}")
