"""POST /topic/create, /topic/delete, /channel/create, /channel/delete, with nsqd's checks in nsqd's order."""

from __future__ import annotations

from aiohttp import web

from meshq.client import Mesh
from meshq.errors import InvalidName
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
        topic = query(request).get("topic")
        if topic is None:
            raise Refusal(400, "MISSING_ARG_TOPIC")
        await self._channels(topic)
        await self._mesh.delete(topic)
        return nothing()

    async def create_channel(self, request: web.Request) -> web.Response:
        """Make the channel exist on a topic that does."""
        topic, channel = _names(query(request))
        await self._channels(topic)
        await self._mesh.create(topic, channel)
        return nothing()

    async def delete_channel(self, request: web.Request) -> web.Response:
        """Drop the channel and what it holds."""
        topic, channel = _names(query(request))
        if channel not in await self._channels(topic):
            raise Refusal(404, "CHANNEL_NOT_FOUND")
        await self._mesh.delete(topic, channel)
        return nothing()

    async def _channels(self, topic: str) -> set[str]:
        """The channels of a topic; raises Refusal 404 TOPIC_NOT_FOUND."""
        for entry in await self._mesh.topics():
            if entry["topic"] == topic:
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
