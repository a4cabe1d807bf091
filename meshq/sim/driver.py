"""One start of a machine on a host, driven through virtual time by the driver's contract.

Decides when inputs reach the machine (in turns, as an event loop does: input first when a deadline is more than
100 ms late, else timers first) and carries its effects out on the simulated network, streams and disk. What befalls
the host, and when a machine is started, is ``host``'s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from meshq.machine.effects import (
    OWN,
    Address,
    Close,
    Dial,
    Emit,
    KeepKeys,
    Load,
    LoadDue,
    Resolve,
    SendDatagram,
    Stop,
    Store,
    Write,
)
from meshq.machine.store import BatchRow
from meshq.runtime.addresses import numeric
from meshq.sim.ends import End
from meshq.sim.start import Machine
from meshq.sim.world import Alarm
from meshq.wire.prefix import DATAGRAM_BYTES_MAX

if TYPE_CHECKING:
    from meshq.sim.host import Host

LATE_S: Final = 0.1
RECEIVE_BYTES_MAX: Final = 4 * 1024 * 1024
"""The datagram socket's buffer; beyond it the newest packet is dropped."""
WALL_MOVED_S: Final = 0.05
BITE_S: Final = 0.02
"""A slow reader takes what it may read in this time at once."""
LOOKUP_S: Final = 0.005
SPINS_MAX: Final = 1_000

Input: TypeAlias = tuple[float, int, Callable[..., Any], tuple[Any, ...]]
"""Readable from, size in bytes, what to do with now and the rest."""


class Driver:
    """Drives ``machine`` from ``begin`` until ``end``; deaf from then on."""

    def __init__(self, host: Host, machine: Machine) -> None:
        self.host = host
        self.machine = machine
        self.ends: dict[int, End] = {}
        """The process's streams, by the machine's numbers."""
        self.alive = True
        self._world = host.wire.world
        self._alarm = Alarm(self._world, self._turn)
        self._inbox: deque[Input] = deque()
        self._inbox_bytes = 0
        self._told_error_s = 0.0
        self._spins = 0
        self._due: float | None = None
        self._do: dict[type[Any], Callable[[Any], None]] = {
            SendDatagram: self._send, Dial: self._dial, Write: self._write, Close: self._close,
            Resolve: self._resolve, Store: self._store, Load: self._load, LoadDue: self._load,
            KeepKeys: self._keep_keys, Emit: self._emit, Stop: self._stop,
        }  # fmt: skip

    def begin(self) -> None:
        """The machine's first input; its first turn comes soon."""
        host, now = self.host, self._world.now
        host.wire.datagrams.bind(host.address, self._datagram)
        host.wire.streams.listen(host.address, self)
        host.disk.told = self._health
        self._told_error_s = host.clock.error_s(now)
        self.machine.start(host.now, host.clock.wall_ns(now))
        self._alarm.hasten(now + host.turn_s)

    def end(self) -> None:
        """The process is gone: nothing reaches the machine any more."""
        self.alive = False
        self._inbox.clear()
        self.ends.clear()
        self._alarm.arm(None)
        self.host.wire.datagrams.unbind(self.host.address)
        self.host.wire.streams.unlisten(self.host.address)

    def wake(self) -> None:
        """Something changed for the host: have a turn now."""
        self._alarm.hasten(self._world.now)

    def call(self, verb: str, *arguments: Any) -> None:
        """Give the machine an input of its own in its next turn."""
        self._put(0, self._called, verb, arguments)

    # What the network brings.

    def _datagram(self, data: bytes, source: Address) -> None:
        if len(data) > DATAGRAM_BYTES_MAX:
            self.host.counters.too_long += 1
            return
        if self._inbox_bytes + len(data) > RECEIVE_BYTES_MAX:
            self.host.counters.dropped += 1
            return
        self._put(len(data), self._datagram_in, data, source)

    def stream_accepted(self, end: End) -> None:
        self._put(0, self._accepted_in, end)

    def stream_connected(self, end: End) -> None:
        self._put(0, self._connected_in, end)

    def stream_readable(self, end: End) -> None:
        self._put(0, self._readable_in, end)

    def stream_buffered(self, end: End, size_bytes: int) -> None:
        self._put(0, self._buffered_in, end, size_bytes)

    def _put(self, size_bytes: int, handle: Callable[..., None], *arguments: Any) -> None:
        if not self.alive:
            return
        at, host = self._world.now, self.host
        if host.lag_s[1]:
            at += host.lag_rng.uniform(*host.lag_s)
        if self._inbox and self._inbox[-1][0] > at:
            at = self._inbox[-1][0]
        self._inbox.append((at, size_bytes, handle, arguments))
        self._inbox_bytes += size_bytes
        if len(self._inbox) == 1:
            self._alarm.hasten(at + host.turn_s)

    # One turn.

    def _turn(self) -> None:
        host, machine = self.host, self.machine
        if host.paused or not self.alive:
            return
        now = host.now
        due = self._due
        waits = due is not None and due <= now + 1e-9
        if waits and due is not None:
            now = max(now, due)
            if now - due <= LATE_S:
                self._tick(now)
                waits = False
            else:
                host.counters.late_ticks += 1
        self._tell_wall(now)
        self._read(now)
        if waits:
            self._tick(now)
        host.counters.turns += 1
        for effect in machine.ahead():
            self._do[type(effect)](effect)
        for effect in machine.effects():
            self._do[type(effect)](effect)
        host.wire.turned(host)
        if self.alive:
            self._wake_for(machine)

    def _tick(self, now: float) -> None:
        self.host.counters.ticks += 1
        self.machine.tick(now)

    def _read(self, now: float) -> None:
        inbox = self._inbox
        limit = self._world.now + 1e-9
        for _ in range(len(inbox)):
            if inbox[0][0] > limit:
                break
            _, size, handle, arguments = inbox.popleft()
            self._inbox_bytes -= size
            self.host.counters.inputs += 1
            handle(now, *arguments)

    def _wake_for(self, machine: Machine) -> None:
        """Arm the alarm for the machine's deadline or the next input, whichever is first."""
        world_now, host = self._world.now, self.host
        due = self._due = machine.deadline()
        at = None if due is None else due - host.clock.base_s
        if at is not None and at <= world_now + 1e-9:
            at = world_now + host.turn_s
            self._spins += 1
            assert self._spins < SPINS_MAX, f"{host.name} spins: its deadline stays due at {due}"
        else:
            self._spins = 0
        if self._inbox:
            read_at = max(self._inbox[0][0], world_now) + host.turn_s
            at = read_at if at is None else min(at, read_at)
        self._alarm.arm(at)

    def _tell_wall(self, now: float) -> None:
        clock = self.host.clock
        error_s = clock.error_s(self._world.now)
        if abs(error_s - self._told_error_s) > WALL_MOVED_S:
            self._told_error_s = error_s
            self.machine.wall(now, clock.wall_ns(self._world.now))

    # Inputs, as the machine gets them.

    def _called(self, now: float, verb: str, arguments: tuple[Any, ...]) -> None:
        getattr(self.machine, verb)(now, *arguments)

    def _datagram_in(self, now: float, data: bytes, source: Address) -> None:
        self.machine.datagram(now, data, source)

    def _accepted_in(self, now: float, end: End) -> None:
        end.tag = self.machine.accepted(now, end.peer)
        self.ends[end.tag] = end

    def _connected_in(self, now: float, end: End) -> None:
        if end.tag is not None and end.tag in self.ends:
            self.machine.connected(now, end.tag, end.local, end.peer)

    def _readable_in(self, now: float, end: End) -> None:
        if end.gone or end.tag is None:
            return
        rate, chance = self.host.read_bytes_s, self.host.read_rng
        data = end.read(chance, max(1, int(rate * BITE_S))) if rate else end.read(chance)
        if data:
            self.machine.received(now, end.tag, data)
        if end.ended is not None:
            self._over(now, end, end.ended)
        elif rate:
            end.noticed = True  # what comes before its turn waits as well
            self._world.after(len(data) / rate, self._read_on, end)
        elif end.waiting:
            end.notice()

    def _read_on(self, end: End) -> None:
        end.noticed = False
        if end.waiting:
            end.notice()

    def _over(self, now: float, end: End, reason: str) -> None:
        tag = end.tag
        assert tag is not None
        if self.ends.pop(tag, None) is not None:
            self.machine.closed(now, tag, reason)
        end.close()
        self.host.wire.streams.forget(end)

    def _buffered_in(self, now: float, end: End, size_bytes: int) -> None:
        if end.tag in self.ends:
            self.machine.buffered(now, end.tag, size_bytes)

    def _resolved_in(self, now: float, query: int, addresses: list[Address]) -> None:
        self.machine.resolved(now, query, addresses)

    def _stored_in(self, now: float, token: int, why: str) -> None:
        if why:
            self.machine.unstored(now, token, why)
        else:
            self.machine.stored(now, token)

    def _loaded_in(self, now: float, token: int, rows: list[BatchRow]) -> None:
        self.machine.loaded(now, token, rows)

    def _health_in(self, now: float, text: str) -> None:
        self.machine.store_health(now, text, full=bool(text))  # nothing else happens to a disk here

    # Effects.

    def _send(self, effect: SendDatagram) -> None:
        to = self.host.address if effect.to == OWN else effect.to
        self.host.wire.datagrams.send(self.host.address, to, effect.data)

    def _dial(self, effect: Dial) -> None:
        assert effect.stream not in self.ends, f"{self.host.name} dials under {effect.stream}, which is in use"
        self.ends[effect.stream] = self.host.wire.streams.dial(self.host.ip, effect.to, self, effect.stream)

    def _write(self, effect: Write) -> None:
        end = self.ends.get(effect.stream)
        if end is not None and end.connected:
            end.write(effect.chunks)

    def _close(self, effect: Close) -> None:
        end = self.ends.pop(effect.stream, None)
        if end is not None:
            end.close(effect.abort)

    def _resolve(self, effect: Resolve) -> None:
        ips = [effect.host] if numeric(effect.host) else self.host.wire.lookup.get(effect.host, [])
        addresses = [(ip, effect.port) for ip in ips]
        self._world.after(LOOKUP_S, self._put, 0, self._resolved_in, effect.query, addresses)

    def _store(self, effect: Store) -> None:
        token = effect.token
        answer: Callable[[str], None] = lambda why: self._put(0, self._stored_in, token, why)  # noqa: E731
        self.host.disk.write(effect, answer)

    def _load(self, effect: Load | LoadDue) -> None:
        token = effect.token
        self.host.disk.read(effect, lambda rows: self._put(0, self._loaded_in, token, rows))

    def _health(self, text: str) -> None:
        self._put(0, self._health_in, text)

    def _keep_keys(self, effect: KeepKeys) -> None:
        self.host.keys = effect.text

    def _emit(self, effect: Emit) -> None:
        self.host.wire.emitted(self.host, effect.event)

    def _stop(self, effect: Stop) -> None:
        ends = list(self.ends.values())
        self.host.machine_stopped(effect)
        for end in ends:
            end.close()
