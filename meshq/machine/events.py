"""What happened, as values: one union for Python's ``events()``, the log, JSON lines and checkers.

Past tense, keyword fields, plain types. Decides nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class MemberJoined:
    """A member became alive in this node's view (new, or a later epoch of a known name)."""

    name: str
    address: str
    epoch_ms: int


@dataclass(frozen=True, slots=True)
class MemberSuspected:
    """A member failed its probes, or somebody says so."""

    name: str
    by: str


@dataclass(frozen=True, slots=True)
class MemberRecovered:
    """A suspected member refuted."""

    name: str


@dataclass(frozen=True, slots=True)
class MemberFailed:
    """A member's suspicion ran out: it is held dead."""

    name: str
    by: str


@dataclass(frozen=True, slots=True)
class MemberLeft:
    """A member said goodbye."""

    name: str


@dataclass(frozen=True, slots=True)
class SeedFailed:
    """A seed could not be reached; it is tried again in ``retry_s``."""

    seed: str
    reason: str
    retry_s: float


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The link to another node works."""

    name: str


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The link to another node ended; its leases went back."""

    name: str
    reason: str
    leases: int


@dataclass(frozen=True, slots=True)
class TopicCreated:
    """A topic came into use, here or elsewhere."""

    topic: str
    generation: int


@dataclass(frozen=True, slots=True)
class TopicDeleted:
    """A topic was deleted, here or elsewhere."""

    topic: str
    generation: int


@dataclass(frozen=True, slots=True)
class ChannelCreated:
    """A channel came into use, here or elsewhere."""

    topic: str
    channel: str
    generation: int


@dataclass(frozen=True, slots=True)
class ChannelDeleted:
    """A channel was deleted, here or elsewhere."""

    topic: str
    channel: str
    generation: int


@dataclass(frozen=True, slots=True)
class Configured:
    """A topic (``channel`` is empty) or channel is set so from now on: ``settings`` by name, those that are set."""

    topic: str
    channel: str
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Draining:
    """This node takes no more publishes and leaves within ``timeout_s``; it has ``messages`` that are not finished."""

    messages: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Leaving:
    """This node ends now; ``messages`` that are not finished stay behind with it, in its store if it has one."""

    messages: int


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A log of this node belongs to the node ``to`` now, with ``messages`` that were not finished."""

    topic: str
    origin: str
    log: str
    to: str
    messages: int


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A log belongs to this node now, which ``giver`` had: of ``origin``, with ``messages`` that were not finished."""

    topic: str
    origin: str
    log: str
    giver: str
    messages: int


@dataclass(frozen=True, slots=True)
class KeysChanged:
    """This node seals with the key ``in_use`` from now on, and takes what is sealed with ``others`` too."""

    in_use: str
    others: str


@dataclass(frozen=True, slots=True)
class Alone:
    """Nobody answered in time; the node serves on its own and keeps trying.

    ``joined``: a seed had, and all members were gone before this node knew their topics; else no seed has.
    """

    after_s: float
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something an operator should know; nothing was lost by it."""

    text: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The listener was too slow: this many events were dropped here."""

    count: int


Event: TypeAlias = (
    MemberJoined
    | MemberSuspected
    | MemberRecovered
    | MemberFailed
    | MemberLeft
    | SeedFailed
    | LinkUp
    | LinkDown
    | TopicCreated
    | TopicDeleted
    | ChannelCreated
    | ChannelDeleted
    | Configured
    | Draining
    | Leaving
    | HandedOver
    | TakenOver
    | KeysChanged
    | Alone
    | Trouble
    | Lost
)

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in Event.__args__}
# The fields' types by the name under which they are annotated; a whole float may come back as an int.
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "bool": (bool,), "float": (float, int), "dict[str, Any]": (dict,)
}  # fmt: skip


def to_map(event: Event) -> dict[str, Any]:
    """The event as a flat map with its kind under ``event``, for JSON and for the wire."""
    return {"event": type(event).__name__, **asdict(event)}


def from_map(fields: dict[str, Any]) -> Event | None:
    """The event that ``to_map`` described; None for a kind or a shape this version does not know."""
    name = fields.get("event")
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        return None
    known: dict[str, Any] = {}
    for field, type_name in kind.__annotations__.items():
        value = fields.get(field)
        if type(value) not in _TYPES[type_name]:
            return None
        known[field] = value
    event: Event = kind(**known)
    return event
