"""The desk of subscriptions: which frame is for which, and what all are told of sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from meshq.client.connection import Connection
from meshq.client.session import LiveSession
from meshq.client.subscription import Subscription
from meshq.client.terms import Terms
from meshq.errors import MeshError
from meshq.wire.frames import Deliver, Ended, Hello, Refused, Subscribed


class Subscriptions:
    """The live subscriptions of one connection by number. Frames for others are late, and ignored."""

    def __init__(self, connection: Connection, numbers: Iterator[int], refused: Callable[[Refused], bool]) -> None:
        """``numbers`` gives each subscription one that nobody else on the connection uses.

        ``refused`` is asked about a refusal first: publishes are refused by the same frame.
        """
        self._connection = connection
        self._numbers = numbers
        self._live: dict[int, Subscription] = {}
        self._publish_refused = refused
        connection.add(
            self, {Subscribed: self._subscribed, Deliver: self._delivered, Ended: self._ended, Refused: self._refused}
        )

    def make(self, topic: str, channel: str, terms: Terms) -> Subscription:
        """A subscription that can be entered."""
        return Subscription(self._connection, self, next(self._numbers), topic, channel, terms)

    def put(self, flow: int, subscription: Subscription) -> None:
        """From now on frames of this number are for it."""
        self._live[flow] = subscription

    def drop(self, flow: int) -> None:
        """No longer."""
        self._live.pop(flow, None)

    def began(self, session: LiveSession, hello: Hello) -> None:
        """A new session: everybody subscribes again."""
        for subscription in self._live.values():
            subscription.began(session)

    def turn(self, session: LiveSession | None) -> None:
        """Say what was finished in this turn."""
        for subscription in self._live.values():
            subscription.turn()

    def lost(self, error: MeshError) -> None:
        """The session ended."""
        for subscription in self._live.values():
            subscription.lost()

    def stop(self, error: MeshError) -> None:
        """Everybody leaves."""
        for subscription in list(self._live.values()):
            subscription.leave(error)

    def leaving(self, session: LiveSession) -> None:
        """Finish what is taken, take nothing new."""
        for subscription in self._live.values():
            subscription.leaving(session)

    def idle(self) -> bool:
        """Whether nobody has anything in hand."""
        return all(subscription.idle() for subscription in self._live.values())

    def _subscribed(self, frame: Subscribed) -> None:
        subscription = self._live.get(frame.flow)
        if subscription is not None:
            subscription.subscribed(frame)

    def _delivered(self, frame: Deliver) -> None:
        if isinstance(frame.flow, int):
            subscription = self._live.get(frame.flow)
            if subscription is not None:
                subscription.delivered(frame)

    def _ended(self, frame: Ended) -> None:
        subscription = self._live.get(frame.flow)
        if subscription is not None:
            subscription.ended(frame)

    def _refused(self, frame: Refused) -> None:
        if self._publish_refused(frame):
            return
        subscription = self._live.get(frame.request)
        if subscription is not None:
            subscription.refused(frame)
