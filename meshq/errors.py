"""Every error meshq raises, as one tree; each says what it left behind.

    MeshError
    ├── ProtocolError
    │   ├── LocalProtocolError    our own caller broke a rule; nothing was sent
    │   └── RemoteProtocolError   the peer did; it cost the peer its packet or its connection
    ├── ConfigError               a setting is wrong; nothing was started
    ├── InvalidName               a topic, channel or node name is not allowed; nothing was done
    ├── InvalidMessage            a message is empty, too large or malformed; nothing was published
    ├── LevelUnavailable          the durability asked for cannot be given here; nothing was published
    ├── Overloaded                a limit said no (``limit`` names it); nothing was published
    ├── StoreTrouble              the node can't write to its store: not confirmed at its level
    ├── PartlyPublished           of one large call ``confirmed`` messages were confirmed, the rest were not
    ├── Unconfirmed               sent, but the answer never came: it may or may not be published
    ├── Unreachable               no node could be reached; nothing was done
    ├── ChannelDeleted            the topic or channel was deleted while in use
    ├── Fenced                    a later start of the same name lives elsewhere; the node stopped
    └── Closed                    the object was closed; nothing was done

A refusal crosses a socket as ``(code, text, limit)``; ``refusal`` turns it back into its class.
"""

from __future__ import annotations

from typing import Final


class MeshError(Exception):
    """The root. ``code`` is the short word under which the error crosses a socket."""

    code = "ERROR"

    def __init__(self, text: str, *, code: str | None = None) -> None:
        super().__init__(text)
        if code is not None:
            self.code = code


class ProtocolError(MeshError):
    """A rule of a wire protocol was broken."""

    code = "PROTOCOL"


class LocalProtocolError(ProtocolError):
    """Our caller broke the rule; the machine's state is unchanged."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the rule; only its packet or its connection is lost."""


class ConfigError(MeshError):
    """A setting is wrong or contradicts another; nothing was started."""

    code = "CONFIG"


class InvalidName(MeshError, ValueError):
    """A name is not allowed; nothing was done. ``code`` says whose: BAD_TOPIC, BAD_CHANNEL, BAD_NAME."""

    code = "BAD_NAME"


class InvalidMessage(MeshError, ValueError):
    """A message can't be published as it is; nothing was.

    Codes: EMPTY, TOO_BIG, BAD_BODY, BAD_DELAY, BAD_TTL, BAD_ID, BAD_KEY, BAD_PRIORITY, NO_CHANNEL.
    """

    code = "BAD_BODY"


class LevelUnavailable(MeshError):
    """The durability level asked for is not available at this node; nothing was published."""

    code = "LEVEL"


class StoreTrouble(MeshError):
    """The node can't write to its store (disk full, read-only): the publish is not confirmed at its level."""

    code = "STORE"


EXCEEDS: Final = "EXCEEDS"
"""The publish alone is above the limit: it is not tried again."""


class Overloaded(MeshError):
    """A limit said no and nothing was published. ``limit`` is the setting that said it.

    Codes: FULL, STARTING, DRAINING, which pass; EXCEEDS, which does not.
    """

    code = "FULL"

    def __init__(self, text: str, *, limit: str = "", code: str | None = None) -> None:
        super().__init__(text, code=code)
        self.limit = limit


class PartlyPublished(MeshError):
    """Of one large ``publish_many`` only ``confirmed`` messages were confirmed; ``__cause__`` says why not all."""

    code = "PARTLY"

    def __init__(self, text: str, *, confirmed: int = 0, code: str | None = None) -> None:
        super().__init__(text, code=code)
        self.confirmed = confirmed


class Unconfirmed(MeshError):
    """The connection ended before the answer: the messages may or may not have been published."""

    code = "UNCONFIRMED"


class Unreachable(MeshError):
    """No node answered; nothing was done."""

    code = "UNREACHABLE"


class ChannelDeleted(MeshError):
    """The topic or channel was deleted while in use; its messages are gone, as somebody asked."""

    code = "DELETED"


class Fenced(MeshError):
    """A later start of this node's name is alive elsewhere; this node stopped accepting and ended."""

    code = "FENCED"


class Closed(MeshError):
    """The object was closed before or during the call; nothing more will happen."""

    code = "CLOSED"


_BY_CODE: dict[str, type[MeshError]] = {
    "BAD_TOPIC": InvalidName,
    "BAD_CHANNEL": InvalidName,
    "BAD_NAME": InvalidName,
    "EMPTY": InvalidMessage,
    "TOO_BIG": InvalidMessage,
    "BAD_BODY": InvalidMessage,
    "BAD_DELAY": InvalidMessage,
    "BAD_TTL": InvalidMessage,
    "BAD_ID": InvalidMessage,
    "BAD_KEY": InvalidMessage,
    "BAD_PRIORITY": InvalidMessage,
    "CONFIG": ConfigError,
    "LEVEL": LevelUnavailable,
    "STORE": StoreTrouble,
    "FULL": Overloaded,
    EXCEEDS: Overloaded,
    "STARTING": Overloaded,
    "DRAINING": Overloaded,
    "DELETED": ChannelDeleted,
    "FENCED": Fenced,
    "CLOSED": Closed,
}


def refusal(code: str, text: str, limit: str = "") -> MeshError:
    """The error that a peer's refusal stands for; an unknown code becomes a plain MeshError."""
    kind = _BY_CODE.get(code, MeshError)
    if issubclass(kind, Overloaded):
        return kind(text, limit=limit, code=code)
    return kind(text, code=code)
