"""One stream: two ends, and a way of bytes in each direction between them.

Decides when bytes and resets arrive. A way has a window: what the reader does not read holds the writer up. A cut path
stalls a way, which tries again with growing pauses, as a retransmission would. Which streams there are, who listens,
and what becomes of them all when a process or a host dies is in ``streams``.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Final, Protocol

from meshq.machine.effects import Address
from meshq.sim.network import LOOPBACK_S, Paths
from meshq.sim.world import World

WINDOW_BYTES: Final = 256 * 1024
"""Bytes that leave the writer before the reader has read: both sockets' buffers together."""
SEGMENT_BYTES: Final = 64 * 1024
RETRY_S_MIN: Final = 0.2
RETRY_S_MAX: Final = 10.0
GIVE_UP_S: Final = 900.0
LINGER_S: Final = 5.0
"""How long a closed end goes on sending what it holds, and reads for nothing what still comes: as the runtime's."""
SPLIT_SHARE: Final = 0.1
"""Share of reads that return only part of what has arrived."""


class Net(Protocol):
    """What a way lies in: whose time, paths and chance it takes, and who hands it to a listener."""

    @property
    def world(self) -> World: ...

    @property
    def paths(self) -> Paths: ...

    @property
    def rng(self) -> Random: ...

    def deliver_accept(self, end: End) -> None: ...


class Owner(Protocol):
    """Whoever holds an end. Told in the order in which things happen at its host."""

    def stream_accepted(self, end: End) -> None: ...

    def stream_connected(self, end: End) -> None: ...

    def stream_readable(self, end: End) -> None:
        """Bytes wait, or the end (``end.ended``): call ``end.read()`` now or later."""

    def stream_buffered(self, end: End, size_bytes: int) -> None:
        """A write left the buffer above the end's ``mark_bytes``, or not yet empty since; or it is empty again (0)."""


class End:
    """One end of a stream."""

    def __init__(self, number: int, host: str, local: Address, peer: Address, owner: Owner) -> None:
        self.number = number
        self.host = host
        self.local = local
        self.peer = peer
        self.owner = owner
        self.out: Way
        self.tag: int | None = None
        """The owner's own name for it."""
        self.mark_bytes = 256 * 1024
        self.connected = False
        self.gone = False
        """Closed here, or its process died: nothing is reported any more."""
        self.ended: str | None = None
        """Why no more bytes will come, known once what came before has been read."""
        self.unread: deque[bytes] = deque()
        self.noticed = False
        self.lingers_until = 0.0
        """After a close: what comes before this is read for nothing, what comes later is answered with a reset."""
        self._full = False
        self._last: str | None = None

    def __repr__(self) -> str:
        return f"<End {self.number} {self.local} -> {self.peer} {self.ended or ('gone' if self.gone else 'open')}>"

    @property
    def buffered_bytes(self) -> int:
        """Bytes written and not yet taken by the transport."""
        return self.out.waiting_bytes

    def write(self, chunks: list[bytes]) -> None:
        """Send ``chunks`` in order; what is written to an end that is over vanishes."""
        if not self.gone and self.ended is None:
            self.out.write(b"".join(chunks) if len(chunks) != 1 else chunks[0])
            self.tell_buffered(written=True)

    def close(self, abort: bool = False) -> None:
        """End it: after what is buffered, or at once with a reset."""
        if self.gone:
            return
        self.gone = True
        self.unread.clear()
        self.out.finish(abort or not self.connected)

    def read(self, rng: Random, most: int = WINDOW_BYTES) -> bytes:
        """What has arrived, or part of it, ``most`` bytes; b"" when nothing waits (see ``ended``)."""
        self.noticed = False
        if not self.unread:
            self.ended = self._last
            return b""
        data = b"".join(self.unread) if len(self.unread) > 1 else self.unread[0]
        self.unread.clear()
        at = min(most, len(data))
        if at > 1 and rng.random() < SPLIT_SHARE:
            at = rng.randrange(1, at)
        if at < len(data):
            self.unread.append(data[at:])
            data = data[:at]
        if not self.unread:
            self.ended = self._last
        self.out.back.read(len(data))
        return data

    @property
    def waiting(self) -> bool:
        """Whether another ``read`` would bring bytes or the end."""
        return bool(self.unread) or (self._last is not None and self.ended is None)

    def arrived(self, data: bytes) -> None:
        """The network brings bytes."""
        if self._last is None:
            self.unread.append(data)
            self.notice()

    def over(self, reason: str, *, forget: bool = False) -> None:
        """The network says that nothing more comes; ``forget``: not even what has not been read."""
        if self.gone or self._last is not None:
            return
        self._last = reason
        if forget:
            self.unread.clear()
        if reason != "eof":
            self.out.drop()
        self.notice()

    def notice(self) -> None:
        """Tell the owner once that it may read."""
        if not self.noticed and not self.gone:
            self.noticed = True
            self.owner.stream_readable(self)

    def tell_buffered(self, *, written: bool = False) -> None:
        """Tell the owner of a write to a full buffer, and of a full buffer that is empty again."""
        size, was_full = self.out.waiting_bytes, self._full
        self._full = size > self.mark_bytes or (was_full and size > 0)
        told = written if self._full else was_full
        if told and not self.gone and self.ended is None:
            self.owner.stream_buffered(self, size)


_ACCEPT: Final = b"<accept>"
_EOF: Final = b""


class Way:
    """One direction of a stream, from the writer's buffer to the reader's."""

    def __init__(self, net: Net, writer: End, reader: End) -> None:
        self.back: Way
        self.waiting_bytes = 0
        self.blackholed = False
        self._net = net
        self._world = net.world
        self._paths = net.paths
        self._writer = writer
        self._reader = reader
        self._waiting: deque[bytes] = deque()
        self._travelling: deque[bytes] = deque()
        self._unread_bytes = 0
        self._freed_bytes = 0
        self._arrives_at = 0.0
        self._turn = 0
        self._stalled_s = 0.0
        self._retry_s = RETRY_S_MIN
        self._retrying = False
        self._settling = False
        self._finished = False

    def write(self, data: bytes) -> None:
        if not data or self._finished:
            return
        if not self._waiting and len(data) <= SEGMENT_BYTES and self._is_free(len(data)):
            self._unread_bytes += len(data)
            self._send(data)
        else:
            for at in range(0, len(data), SEGMENT_BYTES):  # a large one would be copied for each segment
                self._waiting.append(data[at : at + SEGMENT_BYTES])
            self.waiting_bytes += len(data)
            self._pump()

    def _is_free(self, size_bytes: int) -> bool:
        """Whether so much would leave at once, as it mostly does."""
        return (
            self._writer.connected
            and not self._retrying
            and self._unread_bytes + size_bytes <= WINDOW_BYTES
            and self._is_open()
        )

    def accept(self) -> None:
        """The dialler's last step of the handshake: the listener learns of the stream in order with its bytes."""
        self._waiting.appendleft(_ACCEPT)
        self._pump()

    def finish(self, abort: bool) -> None:
        """The writer closed."""
        if self._finished:
            return
        self._finished = True
        if abort:
            self.drop()
            self.reset()
        else:
            self._waiting.append(_EOF)
            self._pump()
            self._writer.lingers_until = self._world.now + LINGER_S
            self._world.after(LINGER_S, self.give_up)

    def give_up(self) -> None:
        """The writer closed and waits no longer for what has not arrived."""
        self._writer.lingers_until = 0.0
        if self._waiting or self._travelling:
            self.drop()
            self.reset()

    def drop(self) -> None:
        """Forget what has not arrived."""
        self._finished = True
        self._turn += 1
        self._waiting.clear()
        self._travelling.clear()
        self.waiting_bytes = 0

    def reset(self) -> None:
        """Tell the reader that the writer is no more, if the path lets it through now."""
        if self._is_open():
            self._world.at(self._next_arrival(0), self._reader.over, "reset")

    def read(self, size_bytes: int) -> None:
        """The reader took bytes: the window opens once the way back lets that through."""
        self._freed_bytes += size_bytes
        if not self._settling:
            self._settle(RETRY_S_MIN)

    def _settle(self, retry_s: float) -> None:
        self._settling = not self.back._is_open()
        if self._settling:
            if not self._writer.gone:
                self._world.after(retry_s, self._settle, min(2 * retry_s, RETRY_S_MAX))
            return
        self._unread_bytes -= self._freed_bytes
        self._freed_bytes = 0
        if self._waiting:
            self._pump()
            self._writer.tell_buffered()

    def _is_open(self) -> bool:
        return not self.blackholed and self._paths.is_open(self._writer.host, self._reader.host)

    def _pump(self) -> None:
        while self._waiting and not self._retrying and self._writer.connected:
            room = WINDOW_BYTES - self._unread_bytes
            if room <= 0:
                return
            if not self._is_open():
                self._stall()
                return
            self._send(self._segment(min(room, SEGMENT_BYTES)))

    def _segment(self, room: int) -> bytes:
        first = self._waiting.popleft()
        if first is _ACCEPT or first is _EOF:
            return first
        parts = [first]
        size = len(first)
        while size < room and self._waiting and self._waiting[0] and self._waiting[0] is not _ACCEPT:
            parts.append(self._waiting.popleft())
            size += len(parts[-1])
        data = b"".join(parts) if len(parts) > 1 else first
        if size > room:
            self._waiting.appendleft(data[room:])
            data = data[:room]
        self.waiting_bytes -= len(data)
        self._unread_bytes += len(data)
        return data

    def _send(self, segment: bytes) -> None:
        self._travelling.append(segment)
        self._world.at(self._next_arrival(len(segment)), self._arrive, self._turn)

    def _next_arrival(self, size_bytes: int) -> float:
        """When a segment sent now arrives: after all before it, later for each time that it is lost."""
        rng = self._net.rng
        if self._writer.host == self._reader.host:
            delay = LOOPBACK_S
        else:
            weather = self._paths.between(self._writer.host, self._reader.host)
            delay = weather.latency_s + weather.jitter_s * rng.random()
            retry_s = RETRY_S_MIN
            while weather.loss and rng.random() < weather.loss and retry_s < RETRY_S_MAX:
                delay += retry_s
                retry_s *= 2
            if weather.bandwidth_bytes_s:
                spare = max(self._arrives_at - self._world.now - delay, 0.0)
                delay += spare + size_bytes / weather.bandwidth_bytes_s
        self._arrives_at = max(self._arrives_at, self._world.now + delay)
        return self._arrives_at

    def _arrive(self, turn: int) -> None:
        if turn != self._turn:
            return
        if self.blackholed or not self._paths.is_up(self._reader.host):
            self._stall()
            return
        if self._reader.gone and self._world.now >= self._reader.lingers_until:
            self._unheard()
            return
        self._retry_s, self._stalled_s = RETRY_S_MIN, 0.0
        segment = self._travelling.popleft()
        if self._reader.gone:
            self.read(len(segment))
        elif segment is _ACCEPT:
            self._net.deliver_accept(self._reader)
        elif segment is _EOF:
            self._reader.over("eof")
        else:
            self._world.trace(segment)
            self._reader.arrived(segment)

    def _unheard(self) -> None:
        """Nobody is there any more: a reset comes back, unless the way back is cut."""
        if self.back._is_open():
            self.drop()
            self._world.at(self.back._next_arrival(0), self._writer.over, "reset")
        else:
            self._stall()

    def _stall(self) -> None:
        """Nothing gets through: put back what travels and try again later."""
        self._turn += 1
        size = sum(len(segment) for segment in self._travelling if segment is not _ACCEPT)
        self._waiting.extendleft(reversed(self._travelling))
        self._travelling.clear()
        self.waiting_bytes += size
        self._unread_bytes -= size
        if not self._retrying:
            self._retrying = True
            self._world.after(self._retry_s, self._retry)

    def _retry(self) -> None:
        self._retrying = False
        self._stalled_s += self._retry_s
        if self._stalled_s > GIVE_UP_S:
            self.drop()
            self._writer.over("timeout")
            return
        self._retry_s = min(2 * self._retry_s, RETRY_S_MAX)
        self._pump()
        self._writer.tell_buffered()
