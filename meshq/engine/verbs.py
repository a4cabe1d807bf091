"""What may be done to topics and channels, as questions: create, delete, configure, pause, resume, empty.

Decides what a caller may ask for and what it is told; the catalog carries it to every node. Each verb names a topic,
or with ``channel`` one of its channels. Settings and a pause are the mesh's: every origin goes by them, those that hear
late from then on. Raises MeshError with the code NOT_FOUND for a name that is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from meshq.errors import ConfigError, MeshError, RemoteProtocolError
from meshq.machine.settings import Plain, check
from meshq.names import check_channel, check_topic, is_ephemeral
from meshq.routing.routing import Routing

START: Final = "start"


class Verbs:
    """Answers what changes the catalog. ``wall_ns`` tells the time since 1970."""

    def __init__(self, routing: Routing, wall_ns: Callable[[float], int]) -> None:
        self._routing = routing
        self._wall_ns = wall_ns
        self.kinds: dict[str, Callable[[float, dict[str, Any]], Any]] = {
            "create": self.create,
            "delete": self.delete,
            "configure": self.configure,
            "pause": self.pause,
            "resume": self.resume,
            "empty": self.empty,
        }

    def create(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """Create a topic, or a channel of one, as use would, and set it by ``settings``, if there are any.

        Answers whether it is new. Where a channel that exists begins is settled: its ``start`` is left as it is.
        """
        topic, channel = _names(arguments)
        settings = _settings(arguments, topic, channel)
        routing = self._routing
        created = routing.known(topic, channel) is None
        if not channel:
            generation = routing.use_topic(now, topic)
        else:
            generation = routing.use_channel(now, topic, channel, settings)
            settings = {} if created else {name: value for name, value in settings.items() if name != START}
        if settings:
            self._set(now, topic, channel, settings)
        return {"generation": generation, "created": created}

    def delete(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """Delete a topic or a channel, everywhere; what it holds is gone."""
        topic, channel = _names(arguments)
        if channel:
            deleted = self._routing.delete_channel(now, topic, channel)
        else:
            deleted = self._routing.delete_topic(now, topic)
        if not deleted:
            raise MeshError(f"there is no {_shown(topic, channel)} to delete (#ephemeral ones go by themselves)",
                            code="NOT_FOUND")  # fmt: skip
        return {}

    def configure(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """Set ``settings``, by name, everywhere; null takes one back. Answers how it is set then."""
        topic, channel = _names(arguments)
        settings = _settings(arguments, topic, channel)
        if START in settings:
            raise ConfigError(
                f"the start of a channel counts when it is created, and only then: delete {_shown(topic, channel)} and "
                f"create it with {START}= to have it begin elsewhere"
            )
        self._set(now, topic, channel, settings)
        return {"settings": self._routing.settings(topic, channel)}

    def pause(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """Hand nothing out until ``resume``: of a topic to any channel, of a channel to its consumers."""
        self._set(now, *_names(arguments), {"paused": True})
        return {}

    def resume(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """End a pause."""
        self._set(now, *_names(arguments), {"paused": None})
        return {}

    def empty(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """Drop what a channel has not finished, or what a topic keeps for channels to come, accepted until now.

        A topic that has channels keeps for others what it retains, and without a retention nothing: then nothing is
        done. Answers with their names, and whether it retains.
        """
        topic, channel = _names(arguments)
        channels = [] if channel else self._routing.channels(topic)
        before = self._routing.settings(topic, channel)
        retains = not channel and bool(before.get("retention_s") or before.get("retention_bytes"))
        if retains or not channels:
            emptied_ns = before.get("emptied_ns", 0)
            least = emptied_ns + 1 if type(emptied_ns) is int else 0
            self._set(now, topic, channel, {"emptied_ns": max(self._wall_ns(now), least)})
        return {"channels": channels, "retained": retains}

    def _set(self, now: float, topic: str, channel: str, settings: dict[str, Plain | None]) -> None:
        _refuse_ephemeral(topic, channel)
        if not self._routing.configure(now, topic, channel, settings):
            raise MeshError(
                f"there is no {_shown(topic, channel)} here: create it, or try again if that was a moment ago",
                code="NOT_FOUND",
            )


def _names(arguments: dict[str, Any]) -> tuple[str, str]:
    topic, channel = arguments.get("topic", ""), arguments.get("channel", "")
    check_topic(topic)
    if channel != "":  # what is falsy and no text is no name either
        check_channel(channel)
    return topic, channel


def _settings(arguments: dict[str, Any], topic: str, channel: str) -> dict[str, Plain | None]:
    settings = arguments.get("settings", {})
    if type(settings) is not dict:
        raise RemoteProtocolError("settings are a map by name", code="BAD_ARGUMENT")
    if settings:
        _refuse_ephemeral(topic, channel)
    return check("channel" if channel else "topic", settings)


def _refuse_ephemeral(topic: str, channel: str) -> None:
    if is_ephemeral(topic) or is_ephemeral(channel):
        raise MeshError(f"{_shown(topic, channel)} lives with its consumers: it can't be set, paused or emptied",
                        code="NOT_FOUND")  # fmt: skip


def _shown(topic: str, channel: str) -> str:
    return f"channel {topic}/{channel}" if channel else f"topic {topic}"
