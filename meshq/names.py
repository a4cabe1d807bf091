"""What things are called, and which names are allowed.

Decides the form of topic, channel and node names and the identities built from them: the epoch
of a node, the log of a topic, the number of a message. Leaves to others what the names stand for.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final, NamedTuple

from meshq.errors import InvalidName

RELEASE: Final = "0.1.0"
"""This version of meshq; other members and clients see it."""
EPHEMERAL: Final = "#ephemeral"
DEAD: Final = ".dead"
DEAD_CHANNEL: Final = "dlq"
"""The channel of a topic of dead letters that is created with it, and keeps them."""
DEAD_HEADER: Final = "meshq-dead-"
"""How the headers begin that say of a dead letter what it was."""
NAME_CHARACTERS_MAX: Final = 64
LEVELS: Final = ("memory", "disk", "fsync")
"""How safe a message is when its publish is confirmed, by rank: held, committed, committed and synced."""
LANES: Final = 4
"""Priority classes of messages, 0 to 3: the higher the more urgent."""
KEY_CHARACTERS_MAX: Final = 128
MEMORY: Final = 0
DISK: Final = 1
FSYNC: Final = 2

DEAD_CHARACTERS: Final = 40
"""Of a long topic's name, in that of its dead letters: with a hash, ``.dead`` and ``#ephemeral`` it makes 64."""

_QUEUE_NAME = re.compile(r"[.a-zA-Z0-9_-]+(#ephemeral)?")
_NODE_NAME = re.compile(r"[.a-zA-Z0-9_-]+")

COUNT_MAX = (1 << 53) - 1
"""The highest milliseconds of an epoch, 285,000 years, and the highest incarnation."""


class Epoch(NamedTuple):
    """One start of a node. A later start compares greater; ``nonce`` breaks ties between clocks."""

    ms: int
    nonce: int


class LogId(NamedTuple):
    """The name of a log: one writer, one order, numbered from 1.

    ``origin`` and the epoch say who opened it, ``generation`` of which life of the topic it is,
    ``lane`` which priority class. Within one topic the name is unique for ever.
    """

    origin: str
    epoch_ms: int
    epoch_nonce: int
    generation: int
    lane: int


def log_text(log: LogId) -> str:
    """The name of a log as one word."""
    return "/".join(map(str, log))


class ChannelKey(NamedTuple):
    """One life of a channel: what frames between nodes are addressed to."""

    topic: str
    channel: str
    generation: int


def check_topic(name: str) -> str:
    """``name`` if it may name a topic (NSQ's rule L-01), else InvalidName."""
    return _check(name, _QUEUE_NAME, "topic", "BAD_TOPIC", "; '#ephemeral' may end it")


def check_channel(name: str) -> str:
    """``name`` if it may name a channel (NSQ's rule L-01), else InvalidName."""
    return _check(name, _QUEUE_NAME, "channel", "BAD_CHANNEL", "; '#ephemeral' may end it")


def check_node(name: str) -> str:
    """``name`` if it may name a node, else InvalidName."""
    return _check(name, _NODE_NAME, "node", "BAD_NAME", "")


def is_ephemeral(name: str) -> bool:
    """Whether a topic or channel of this name lives in interest alone."""
    return name.endswith(EPHEMERAL)


def dead_topic(name: str) -> str:
    """Where the dead letters of a topic go: ``name.dead``, or ``name.dead#ephemeral``; of such a topic, itself.

    Of a name that leaves no room for it the first 40 characters stay, with 8 hex digits of a hash of all of it behind.
    """
    if is_dead_topic(name):
        return name
    plain, ending = (name[: -len(EPHEMERAL)], DEAD + EPHEMERAL) if is_ephemeral(name) else (name, DEAD)
    if len(plain) + len(ending) > NAME_CHARACTERS_MAX:
        plain = f"{plain[:DEAD_CHARACTERS]}-{blake2b(name.encode(), digest_size=4).hexdigest()}"
    return plain + ending


def is_dead_topic(name: str) -> bool:
    """Whether a topic of this name holds dead letters, which never become dead letters again."""
    return name.removesuffix(EPHEMERAL).endswith(DEAD)


def message_id(topic: str, log: LogId, number: int) -> str:
    """The 16 hex digits shown to people: 24 bits of a hash of topic and log, 40 bits of number.

    Derived, not stored. Two messages of a mesh share one only if two of its logs share the hash.
    """
    return f"{_hash(topic, log):06x}{number & 0xFF_FFFF_FFFF:010x}"


def _hash(topic: str, log: LogId) -> int:
    text = " ".join((topic, *map(str, log))).encode()
    return int.from_bytes(blake2b(text, digest_size=3).digest(), "big")


def _check(name: str, form: re.Pattern[str], what: str, code: str, more: str) -> str:
    if not isinstance(name, str) or len(name) > NAME_CHARACTERS_MAX or not form.fullmatch(name):
        shown = repr(name)[:80]
        raise InvalidName(
            f"{shown} is no {what} name: use 1 to {NAME_CHARACTERS_MAX} of a-z A-Z 0-9 . _ -{more}",
            code=code,
        )
    return name
