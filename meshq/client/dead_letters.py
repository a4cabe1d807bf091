"""Dead letters: to look at, to send back to the channel they failed on, or to throw away.

They lie in a topic of their own (``names.dead_topic``), on the channel ``dlq``. Looking takes them and gives them back,
which counts no attempt; who looks at the same time sees fewer. Sending one back publishes it and then finishes it here,
so whoever is killed in between leaves it twice, never not at all; the id it is published with makes that rare.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from meshq.client.lease import Lease
from meshq.client.message import Message
from meshq.errors import ChannelDeleted
from meshq.names import DEAD_CHANNEL, DEAD_HEADER, check_channel, check_topic, dead_topic

if TYPE_CHECKING:
    from meshq.client.mesh import Mesh

IDLE_S: Final = 1.0
"""After so long without a letter there is none left that could be had."""
HELD_MAX: Final = 100_000
"""Letters held at a time, those among them that belong to other channels."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was not delivered again, and why."""

    id: str
    """Of the letter."""
    topic: str
    channel: str
    """The channel that it failed on."""
    reason: str
    """attempts or broken."""
    attempts: int
    origin: str
    """The node that owned the message."""
    message_id: str
    """The id that the message had."""
    first_error: str
    last_error: str
    at_ns: int
    """When it died, since 1970."""
    body: bytes
    headers: dict[str, str]
    """The message's own."""
    unread: int = 0
    """Of so many messages ``body`` is the raw remainder that nobody could read; 0: it is a message."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """What became of a redrive."""

    sent: int
    """Letters that are messages of their channel again."""
    left: int
    """Letters that stay: their channel is gone, or nobody can read them."""


class DeadLetters:
    """The dead letters of a topic, or of one channel of it. Made by ``mesh.dead_letters``."""

    def __init__(self, mesh: Mesh, topic: str, channel: str | None) -> None:
        self._mesh = mesh
        self._channel = None if channel is None else check_channel(channel)
        self.topic = dead_topic(check_topic(topic))
        """Where they are."""

    async def list(self, limit: int = 100) -> list[DeadLetter]:
        """The first of them, at most ``limit``; they stay where they are."""
        found: list[DeadLetter] = []
        async for lease in self._leases():
            found += [letter for letter in map(letter_of, lease) if self._wanted(letter)]
            if len(found) >= limit:
                break
        return found[:limit]

    async def redrive(self) -> Redriven:
        """Publish each to the channel it failed on, and to no other, with attempts from zero; then it is gone here."""
        sent = left = 0
        async for lease in self._leases():
            messages = [message for message in lease if self._wanted(letter_of(message))]
            done = await asyncio.gather(*map(self._send_back, messages))
            sent += sum(done)
            left += len(done) - sum(done)
        return Redriven(sent, left)

    async def purge(self) -> int:
        """Throw them away. Returns how many."""
        count = 0
        async for lease in self._leases():
            for message in lease:
                if self._wanted(letter_of(message)):
                    message.finish()
                    count += 1
        return count

    def _wanted(self, letter: DeadLetter) -> bool:
        return self._channel in (None, letter.channel)

    async def _send_back(self, message: Message) -> bool:
        letter = letter_of(message)
        if letter.unread or not letter.channel:
            return False
        try:
            await self._mesh.publish(
                letter.topic,
                letter.body,
                headers=letter.headers,
                channels=(letter.channel,),
                id=f"redrive {letter.id}",
                retry=True,
            )
        except ChannelDeleted:
            return False
        message.finish()
        return True

    async def _leases(self) -> AsyncIterator[Lease]:
        """All of them, as they come; what is not finished goes back at the end."""
        count = await self._count()
        if not count:
            return
        held = min(count, HELD_MAX)
        async with self._mesh.subscribe(self.topic, DEAD_CHANNEL, max_in_flight=held) as messages:
            while count > 0:
                try:
                    async with asyncio.timeout(IDLE_S):
                        lease = await messages.lease()
                except (TimeoutError, StopAsyncIteration):
                    return
                count -= len(lease)
                yield lease

    async def _count(self) -> int:
        """How many there are in the mesh, those in other hands included. Does not make the topic exist."""
        found = await self._mesh.stats(self.topic, mesh=True)
        topics = [topic for node in found["nodes"].values() for topic in node["topics"] if topic["topic"] == self.topic]
        return sum(topic["messages"] for topic in topics)


def letter_of(message: Message) -> DeadLetter:
    """What a message of a topic of dead letters says."""
    headers = message.headers
    return DeadLetter(
        id=message.id,
        topic=_said(headers, "topic"),
        channel=_said(headers, "channel"),
        reason=_said(headers, "reason"),
        attempts=_number(headers, "attempts"),
        origin=_said(headers, "origin"),
        message_id=_said(headers, "id"),
        first_error=_said(headers, "first-error"),
        last_error=_said(headers, "last-error"),
        at_ns=_number(headers, "at"),
        body=message.body,
        headers={name: text for name, text in headers.items() if not name.startswith(DEAD_HEADER)},
        unread=_number(headers, "messages"),
    )


def _said(headers: Mapping[str, str], name: str) -> str:
    return headers.get(DEAD_HEADER + name, "")


def _number(headers: Mapping[str, str], name: str) -> int:
    text = _said(headers, name)
    return int(text) if text.isascii() and text.isdigit() else 0
