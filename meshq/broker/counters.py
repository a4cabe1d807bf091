"""What happened, in plain numbers: one object for the broker, one for each channel. Every view reads these."""

from __future__ import annotations


class Counters:
    """Of one broker, since it started. Messages, unless the name says otherwise."""

    __slots__ = (
        "absent",
        "audit_differences",
        "audits",
        "broken_bodies",
        "broken_rules",
        "cancelled",
        "dead",
        "departed",
        "died",
        "dropped",
        "dropped_oldest",
        "duplicates",
        "emptied",
        "expired",
        "fins_forgotten",
        "gaps",
        "grants",
        "handed",
        "handed_over",
        "ids_forgotten",
        "late_finished",
        "late_forgotten",
        "links_wanted",
        "loaded",
        "published",
        "published_batches",
        "recalls",
        "refused",
        "requeued",
        "returned",
        "sessions_lost",
        "taken_over",
        "timed_out",
        "window_evicted",
    )

    def __init__(self) -> None:
        self.absent = 0
        """That the store was to have and did not: lost with a damaged file. Zero in health."""
        self.loaded = 0
        """Brought back from the store."""
        self.published = 0
        self.published_batches = 0
        self.refused = 0
        """Publishes refused by a limit."""
        self.handed = 0
        self.handed_over = 0
        """Unfinished messages that another node took over while this one drained."""
        self.taken_over = 0
        """Messages that this node took over from others that drained."""
        self.requeued = 0
        self.timed_out = 0
        self.dead = 0
        """Became dead letters."""
        self.duplicates = 0
        """Publishes whose id was known: they added nothing."""
        self.ids_forgotten = 0
        """Ids forgotten before their window was over."""
        self.expired = 0
        """Nobody wanted them any more, per channel."""
        self.departed = 0
        """Of consumers that left."""
        self.cancelled = 0
        """Given back by an application after hand-over, counting nothing."""
        self.returned = 0
        """Lent, never handed over."""
        self.sessions_lost = 0
        """Returned by the end of a session."""
        self.died = 0
        """Attempts counted because the process that held the message ended."""
        self.dropped = 0
        """Unfinished messages of a deleted topic or channel, per channel."""
        self.emptied = 0
        """Unfinished messages dropped because somebody emptied their channel, per channel, or their topic."""
        self.dropped_oldest = 0
        """Dropped by a limit to make room for later ones, per channel."""
        self.gaps = 0
        """At most so many messages a channel heard of late has missed."""
        self.grants = 0
        """Grants made."""
        self.recalls = 0
        """Recalls made."""
        self.late_finished = 0
        """Finished after their timeout."""
        self.late_forgotten = 0
        """Timed out and forgotten: a late finish of them is ignored."""
        self.fins_forgotten = 0
        """Finished, not acknowledged and forgotten: the origin delivers them again."""
        self.window_evicted = 0
        """Left the window of recent batches before their time."""
        self.audits = 0
        """Audits received."""
        self.audit_differences = 0
        """Audits that differed; zero in health."""
        self.broken_bodies = 0
        self.broken_rules = 0
        """Frames that no correct peer sends; each ended its session."""
        self.links_wanted = 0
        """Times a link was asked for."""

    def as_map(self) -> dict[str, int]:
        """All of them by name."""
        return {name: getattr(self, name) for name in self.__slots__}


class ChannelCounters:
    """Of one channel at its origin, in messages."""

    __slots__ = (
        "cancelled", "dead", "departed", "dropped_oldest", "emptied", "expired", "finished", "missed", "requeued",
        "returned", "sessions_lost", "timed_out",
    )  # fmt: skip

    def __init__(self) -> None:
        self.finished = 0
        """Dead letters among them."""
        self.dead = 0
        self.missed = 0
        """At most so many came before the channel was heard of, and were no longer there."""
        self.expired = 0
        """Nobody wanted them any more."""
        self.requeued = 0
        self.timed_out = 0
        self.departed = 0
        self.cancelled = 0
        self.sessions_lost = 0
        self.returned = 0
        self.emptied = 0
        """Dropped because somebody emptied the channel."""
        self.dropped_oldest = 0
        """Dropped by a limit, to make room."""

    def redelivered(self) -> int:
        """Handed over, perhaps, and delivered again, for whatever reason."""
        return self.requeued + self.timed_out + self.departed + self.cancelled + self.sessions_lost
