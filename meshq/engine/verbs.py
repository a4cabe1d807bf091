"""What may be done to topics and channels, as questions: create, delete, configure, pause, resume, empty.

Decides what a caller may ask for and what it is told; the catalog carries it to every node. Each verb names a topic,
or with ``channel`` one of its channels. Settings and a pause are the mesh's: every origin goes by them, those that hear
late from then on. Raises MeshError with the code NOT_FOUND for a name that is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshq.errors import MeshError, RemoteProtocolError
from meshq.machine.settings import Plain, check
from meshq.names import check_channel, check_topic, is_ephemeral
from meshq.routing.routing import Routing


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
        """Create a topic, or a channel of one, as use would, and set it by ``settings``, if there are any."""
        topic, channel = _names(arguments)
        settings = _settings(arguments, topic, channel)
        routing = self._routing
        generation = routing.use_channel(now, topic, channel) if channel else routing.use_topic(now, topic)
        if settings:
            self._set(now, topic, channel, settings)
        return {"generation": generation}

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
        self._set(now, topic, channel, _settings(arguments, topic, channel))
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
        """Drop what a channel has not finished, or what a topic keeps for its first channel, accepted until now.

        A topic that has channels keeps nothing besides: nothing is done then. Answers with their names.
        """
        topic, channel = _names(arguments)
        channels = [] if channel else self._routing.channels(topic)
        if not channels:
            before = self._routing.settings(topic, channel).get("emptied_ns", 0)
            least = before + 1 if type(before) is int else 0
            self._set(now, topic, channel, {"emptied_ns": max(self._wall_ns(now), least)})
        return {"channels": channels}

    def _set(self, now: float, topic: str, channel: str, settings: dict[str, Plain | None]) -> None:
        _refuse_ephemeral(topic, channel)
        if not self._routing.configure(now, topic, channel, settings):
            raise MeshError(f"there is no {_shown(topic, channel)}: create it first", code="NOT_FOUND")


def _names(arguments: dict[str, Any]) -> tuple[str, str]:
    topic, channel = arguments.get("topic", ""), arguments.get("channel", "")
    check_topic(topic)
    if channel:
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
