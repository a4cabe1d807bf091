"""What happens in the mesh, one event after the other, for a thread."""

from __future__ import annotations

from collections.abc import Iterator

from meshq.blocking.worker import Worker
from meshq.client.events import EventStream
from meshq.machine.events import Event


class Events(Iterator[Event]):
    """Events one after the other; ends when the mesh is closed."""

    def __init__(self, worker: Worker, stream: EventStream) -> None:
        self._worker = worker
        self._stream = stream

    def __next__(self) -> Event:
        event = self._worker.run(_next_event(self._stream))
        if event is None:
            raise StopIteration
        return event


async def _next_event(stream: EventStream) -> Event | None:
    return await anext(stream, None)
