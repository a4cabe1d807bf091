"""What happens in the mesh, as a stream of values.

Decides how much waits for a slow listener (``events_max``; what comes after is dropped and counted) and
what a listener is told about a lost connection. The values are ``meshq.machine.events``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakSet

from meshq.client.connection import Connection, again
from meshq.client.session import LiveSession
from meshq.errors import Closed, MeshError
from meshq.machine.events import Event, Lost, Trouble, from_map
from meshq.wire.frames import Happened, Hello


class EventStream:
    """An asynchronous iterator of events, from the moment it is made.

    Ends when its mesh is closed. When it is not read fast enough, the oldest events are dropped, and ``Lost(count)``
    stands where they were.
    """

    def __init__(self, events_max: int) -> None:
        self._events: deque[Event] = deque()
        self._max = events_max
        self._lost = 0
        self._reader: asyncio.Future[None] | None = None
        self._end: MeshError | None = None

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        if self._lost:
            lost, self._lost = self._lost, 0
            return Lost(lost)
        while not self._events:
            if isinstance(self._end, Closed):
                raise StopAsyncIteration
            if self._end is not None:
                raise again(self._end)
            await self._more()
        return self._events.popleft()

    def put(self, event: Event) -> None:
        """One more event; the oldest goes when too many wait."""
        if len(self._events) >= self._max:
            oldest = self._events.popleft()
            self._lost += oldest.count if isinstance(oldest, Lost) else 1
        self._events.append(event)
        self._wake()

    def end(self, error: MeshError) -> None:
        """Nothing more will come."""
        self._end = error
        self._wake()

    async def _more(self) -> None:
        if self._reader is None:
            self._reader = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._reader)  # several tasks may read one stream

    def _wake(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.set_result(None)


class Events:
    """The desk of events: watches while somebody listens."""

    def __init__(self, connection: Connection, events_max: int) -> None:
        self._connection = connection
        self._events_max = events_max
        self._streams: WeakSet[EventStream] = WeakSet()
        self._watching: LiveSession | None = None
        connection.add(self, {Happened: self._happened})

    def listen(self) -> EventStream:
        """A new stream; it is forgotten when nobody holds it any more."""
        stream = EventStream(self._events_max)
        if self._connection.ended is not None:
            stream.end(self._connection.ended)
        self._streams.add(stream)
        self._watch(self._connection.session)
        return stream

    def began(self, session: LiveSession, hello: Hello) -> None:
        """A new node: watch it, if anybody listens."""
        if self._streams:
            self._tell(Trouble(f"connected to {hello.name}; what happened since the last connection was not seen"))
            self._watch(session)

    def turn(self, session: LiveSession | None) -> None:
        """Watching is said at once."""

    def lost(self, error: MeshError) -> None:
        """Listeners are told; they go on with the next session."""
        self._watching = None
        self._tell(Trouble(f"connection lost: {error}"))

    def stop(self, error: MeshError) -> None:
        """Every stream ends."""
        for stream in list(self._streams):
            stream.end(error)

    def leaving(self, session: LiveSession) -> None:
        """Listening goes on."""

    def idle(self) -> bool:
        """Listening never keeps a session."""
        return True

    def _watch(self, session: LiveSession | None) -> None:
        if session is not None and self._watching is not session:
            self._watching = session
            session.machine.watch(True)
            self._connection.schedule()

    def _happened(self, frame: Happened) -> None:
        if not self._streams and self._watching is not None:
            self._watching.machine.watch(False)
            self._watching = None
            self._connection.schedule()
            return
        event = from_map(frame.event)
        if event is not None:
            self._tell(event)

    def _tell(self, event: Event) -> None:
        for stream in list(self._streams):
            stream.put(event)
