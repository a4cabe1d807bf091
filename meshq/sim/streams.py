"""All streams between hosts, as TCP gives them: dialling, listening, and every way in which they end together.

Decides who is connected to whom and what is refused. A process that dies resets its streams; a host that dies says
nothing, and whoever writes to it later, once it is up again, is reset then. How bytes get from one end to the other is
in ``ends``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Final

from meshq.machine.effects import Address
from meshq.sim.ends import End, Owner, Way
from meshq.sim.network import LOOPBACK_S, Paths
from meshq.sim.world import World

DIAL_S_MAX: Final = 5.0
NETWORK: Final = "10."
"""The addresses to which there is a way; dialling any other is told as unreachable."""
PIPE: Final[Address] = ("", 0)
"""The address of an in-process client."""


@dataclass(slots=True)
class StreamCounters:
    """What became of streams."""

    dialled: int = 0
    connected: int = 0
    refused: int = 0
    timed_out: int = 0
    reset: int = 0


class Streams:
    """All streams of the world: dialling, listening, and what faults do to them."""

    def __init__(self, world: World, paths: Paths) -> None:
        self.world = world
        self.paths = paths
        self.rng = world.rng("streams")
        self.counters = StreamCounters()
        self._numbers = count(1)
        self._ports = count(20_000)
        self._listening: dict[Address, Owner] = {}
        self._ends: dict[str, dict[int, End]] = {}

    def listen(self, address: Address, owner: Owner) -> None:
        """Streams dialled to ``address`` are given to ``owner.stream_accepted``."""
        assert address not in self._listening, f"{address} is in use"
        self._listening[address] = owner

    def unlisten(self, address: Address) -> None:
        """Whoever dials ``address`` from now on is refused."""
        self._listening.pop(address, None)

    def dial(self, host: str, to: Address, owner: Owner, tag: int | None = None) -> End:
        """Open a stream from ``host``; ``owner`` hears ``stream_connected`` or that it ended (refused, timeout)."""
        self.counters.dialled += 1
        end = self._end(host, (host, 20_000 + next(self._ports) % 40_000), to, owner)
        end.tag = tag
        far = End(next(self._numbers), to[0], to, end.local, owner)
        _join(self, end, far)
        if not to[0].startswith(NETWORK):
            self.world.after(LOOPBACK_S, end.over, "unreachable")
            return end
        self._knock(end, far, 1.0, self.world.now + DIAL_S_MAX)
        return end

    def pipe(self, host: str, server: Owner, client: Owner) -> End:
        """An in-process stream to ``host``'s process; the returned end is the client's."""
        near = End(next(self._numbers), host, PIPE, PIPE, client)
        far = self._end(host, PIPE, PIPE, server)
        _join(self, near, far)
        near.connected = True
        near.out.accept()
        return near

    def between(self, one: str, other: str) -> list[End]:
        """The ends at host ``one`` of its streams with host ``other``, oldest first."""
        return [end for end in self._ends.get(one, {}).values() if end.peer[0] == other and not end.gone]

    def reset_between(self, one: str, other: str) -> int:
        """Reset every stream between two hosts, at both ends; how many."""
        ends = self.between(one, other) + self.between(other, one)
        for end in ends:
            end.over("reset", forget=self.rng.random() < 0.5)
        self.counters.reset += len(ends)
        return len(ends)

    def blackhole_between(self, one: str, other: str) -> int:
        """Make every stream between two hosts half-open: nothing passes, nobody is told. New ones work."""
        ends = self.between(one, other) + self.between(other, one)
        for end in ends:
            end.out.blackholed = end.out.back.blackholed = True
        return len(ends)

    def process_died(self, host: str) -> None:
        """The kernel resets every stream of the host's process."""
        for end in self._ends.pop(host, {}).values():
            if end.gone:
                end.out.give_up()
            else:
                end.close(abort=True)

    def host_died(self, host: str) -> None:
        """Every stream of the host is gone without a word (in-process clients see a reset all the same)."""
        for end in self._ends.pop(host, {}).values():
            end.gone = True
            end.out.drop()
            if end.peer == PIPE:
                _other(end).over("reset")

    def deliver_accept(self, end: End) -> None:
        """The handshake is complete: hand the stream to whoever listens by now, or reset it."""
        owner = end.owner if end.peer == PIPE else self._listening.get(end.local)
        if owner is None:
            end.gone = True
            end.out.reset()
            return
        end.owner = owner
        end.connected = True
        self._keep(end)
        self.counters.connected += 1
        owner.stream_accepted(end)

    def forget(self, end: End) -> None:
        """The owner has seen the end of it."""
        end.gone = True
        self._ends.get(end.host, {}).pop(end.number, None)

    def _end(self, host: str, local: Address, peer: Address, owner: Owner) -> End:
        end = End(next(self._numbers), host, local, peer, owner)
        self._keep(end)
        return end

    def _keep(self, end: End) -> None:
        ends = self._ends.setdefault(end.host, {})
        if len(ends) > 64:
            self._ends[end.host] = ends = {number: kept for number, kept in ends.items() if not kept.gone}
        ends[end.number] = end

    def _knock(self, end: End, far: End, again_s: float, until: float) -> None:
        """One SYN, and the next if no answer came."""
        if end.gone or end.connected or end.ended:
            return
        if self.world.now >= until:
            self.counters.timed_out += 1
            end.over("timeout")
            return
        if self.paths.is_open(end.host, far.host):
            self.world.at(end.out._next_arrival(0), self._knocked, end, far)
        self.world.after(again_s, self._knock, end, far, 2 * again_s, until)

    def _knocked(self, end: End, far: End) -> None:
        if not self.paths.is_open(far.host, end.host):
            return
        answer = self._opened if far.local in self._listening else self._refused
        self.world.at(far.out._next_arrival(0), answer, end)

    def _opened(self, end: End) -> None:
        if not end.gone and not end.connected:
            end.connected = True
            end.out.accept()
            end.owner.stream_connected(end)

    def _refused(self, end: End) -> None:
        if not end.connected:
            self.counters.refused += 1
            end.over("refused")


def _join(streams: Streams, one: End, other: End) -> None:
    one.out, other.out = Way(streams, one, other), Way(streams, other, one)
    one.out.back, other.out.back = other.out, one.out


def _other(end: End) -> End:
    return end.out._reader
