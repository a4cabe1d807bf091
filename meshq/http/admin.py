"""POST /topic/ and /channel/ with create, delete, empty, pause, unpause: nsqd's checks in nsqd's order.

What nsqd does to itself is done to the mesh here. As with nsqd, emptying a topic leaves its channels alone.
"""

from __future__ import annotations

from aiohttp import web

from meshq.client import Mesh
from meshq.errors import ConfigError, InvalidName
from meshq.http.publish import topic_of
from meshq.http.requests import Refusal, nothing, query
from meshq.names import check_channel


class Admin:
    """The changing handlers of one door."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    async def create_topic(self, request: web.Request) -> web.Response:
        """Make the topic exist; it is no error that it does."""
        await self._mesh.create(topic_of(query(request)))
        return nothing()

    async def delete_topic(self, request: web.Request) -> web.Response:
        """Drop the topic, its channels and what they hold."""
        await self._mesh.delete(await self._topic(request))
        return nothing()

    async def create_channel(self, request: web.Request) -> web.Response:
        """Make the channel exist on a topic that does; ``start`` says where it begins, if it is new (not nsqd's)."""
        arguments = query(request)
        topic, channel = _names(arguments)
        await self._channels(topic)
        try:
            await self._mesh.create(topic, channel, start=arguments.get("start"))
        except ConfigError as exc:
            raise Refusal(400, "INVALID_ARG_START") from exc
        return nothing()

    async def delete_channel(self, request: web.Request) -> web.Response:
        """Drop the channel and what it holds."""
        await self._mesh.delete(*await self._channel(request))
        return nothing()

    async def empty_topic(self, request: web.Request) -> web.Response:
        """Drop what the topic keeps for its first channel, and what it retains."""
        topic = topic_of(query(request))
        await self._channels(topic)
        await self._mesh.empty(topic)
        return nothing()

    async def pause_topic(self, request: web.Request) -> web.Response:
        """Serve none of the topic's channels."""
        await self._mesh.pause(await self._topic(request))
        return nothing()

    async def unpause_topic(self, request: web.Request) -> web.Response:
        """Serve them again."""
        await self._mesh.resume(await self._topic(request))
        return nothing()

    async def empty_channel(self, request: web.Request) -> web.Response:
        """Drop what the channel has not finished."""
        await self._mesh.empty(*await self._channel(request))
        return nothing()

    async def pause_channel(self, request: web.Request) -> web.Response:
        """Hand out nothing of the channel."""
        await self._mesh.pause(*await self._channel(request))
        return nothing()

    async def unpause_channel(self, request: web.Request) -> web.Response:
        """Hand it out again."""
        await self._mesh.resume(*await self._channel(request))
        return nothing()

    async def _topic(self, request: web.Request) -> str:
        """The topic that a request names, which exists."""
        topic = query(request).get("topic")
        if topic is None:
            raise Refusal(400, "MISSING_ARG_TOPIC")
        await self._channels(topic)
        return topic

    async def _channel(self, request: web.Request) -> tuple[str, str]:
        """The channel that a request names, which exists."""
        topic, channel = _names(query(request))
        if channel not in await self._channels(topic):
            raise Refusal(404, "CHANNEL_NOT_FOUND")
        return topic, channel

    async def _channels(self, topic: str) -> set[str]:
        """The channels of a topic; raises Refusal 404 TOPIC_NOT_FOUND."""
        for entry in await self._mesh.topics(topic):
            return {channel["channel"] for channel in entry["channels"]}
        raise Refusal(404, "TOPIC_NOT_FOUND")


def _names(arguments: dict[str, str]) -> tuple[str, str]:
    topic = topic_of(arguments, "INVALID_ARG_TOPIC")
    channel = arguments.get("channel")
    if channel is None:
        raise Refusal(400, "MISSING_ARG_CHANNEL")
    try:
        return topic, check_channel(channel)
    except InvalidName as exc:
        raise Refusal(400, "INVALID_ARG_CHANNEL") from exc
