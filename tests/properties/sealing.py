"""Throw packets at a member with a key: ``python -m tests.properties.sealing --packets 1000000``.

Made up, mutated, repeated and plain ones come from whoever has no key: they may change nothing but counters. Mutated
ones that are sealed come from a member gone mad: they may do what a member can, and raise nothing. Memory stays flat.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from meshq.machine.effects import Address, Effect, Emit
from meshq.wire.keyring import Key, Keyring, Secrecy
from meshq.wire.prefix import PACKET_BYTES_MAX, Prefix
from meshq.wire.sealing import Sealing
from tests.engine.cast import Cast

KEY: Final = Key(bytes(range(32)))
OTHER: Final = Key(bytes(32))
RECORDED_S: Final = 8.0
ROUND: Final = 10_000
NAMES: Final = ("n1", "n2", "n3")


def sealing(key: Key, seed: int) -> Sealing:
    """What somebody with that key seals with."""
    return Sealing("meshq", Secrecy(Keyring([key]), random.Random(seed).randbytes), senders_max=1000)


class Target:
    """One of three members that have run for a while, and every datagram that it got."""

    def __init__(self) -> None:
        cast = Cast(NAMES, keys=dict.fromkeys(NAMES, Keyring([KEY]))).start()
        self.engine = cast.engine("n1")
        self.genuine: dict[bytes, Address] = {}
        datagram = self.engine.datagram

        def record(now: float, data: bytes, source: Address) -> None:
            self.genuine[data] = source
            datagram(now, data, source)

        self.engine.datagram = record  # type: ignore[method-assign]
        cast.run(RECORDED_S)
        self.engine.datagram = datagram  # type: ignore[method-assign]
        self.recorded = list(self.genuine)
        self.source = cast.fleet.address("n2")
        reader = sealing(KEY, 0)
        self.packets = [reader.unwrap(data) for data in self.recorded]
        self.plain = [Prefix("meshq").wrap(packet) for packet in self.packets]
        self.now = cast.fleet.hosts["n1"].now
        self._mad = sealing(KEY, 3)

    def meets(self, data: bytes) -> bool:
        """Whether a datagram changes nothing, asks for nothing and is counted; an error would come through."""
        before, refused = self._state(), self._refused()
        self.engine.datagram(self.now, data, self.source)
        effects = [effect for effect in self.engine.effects() if type(effect) is not Emit]
        return self._state() == before and not effects and self._refused() == refused + 1

    def meets_a_member_gone_mad(self, packet: bytes) -> list[Effect]:
        """What it asks for when a member sends ``packet``; time goes on."""
        self.engine.datagram(self.now, self._mad.wrap(packet[:PACKET_BYTES_MAX]), self.source)
        effects = self.engine.effects()
        self.now += 0.001
        self.engine.tick(self.now)
        return effects + self.engine.effects()

    def _state(self) -> Any:
        return self.engine.view(), self.engine.membership.counters.packets, self.engine.deadline()

    def _refused(self) -> int:
        counters = self.engine.counters
        return counters.packets_bad + counters.packets_unsealed + counters.packets_replayed


def mutate(rng: random.Random, data: bytes) -> bytes:
    """``data`` with a few bytes changed, cut out, doubled or put in."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randint(0, len(changed)), rng.randint(0, 8)
        match rng.randrange(5):
            case 0:
                changed[at : at + 1] = rng.randbytes(1)
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length]
            case 3:
                changed[at:at] = rng.randbytes(length)
            case 4:
                del changed[at + 100 :]
    return bytes(changed)


def random_packets(seed: int, target: Target, count: int) -> Iterator[bytes]:
    """Datagrams as they come from whoever has no key: none of them is new and authentic."""
    rng = random.Random(seed)
    stranger = sealing(OTHER, seed)
    for _ in range(count):
        match rng.randrange(5):
            case 0:
                yield rng.randbytes(rng.randrange(1500))
            case 1:
                yield rng.choice(target.recorded)
            case 2:
                yield rng.choice(target.plain)
            case 3:
                yield stranger.wrap(rng.choice(target.packets))
            case 4:
                yield mutate(rng, rng.choice(target.recorded))


def main() -> None:
    """Half from strangers, half from a member gone mad."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began, target, first = time.perf_counter(), Target(), 0
    for done in range(0, asked.packets, ROUND):
        seed = asked.seed + done // ROUND
        rng = random.Random(seed)
        wrong = [data for data in random_packets(seed, target, ROUND // 2) if not target.meets(data)]
        if wrong:
            sys.exit(f"seed {seed}: a stranger's packet changed something: {wrong[0].hex()}")
        for _ in range(ROUND // 2):
            target.meets_a_member_gone_mad(mutate(rng, rng.choice(target.packets)))
        peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        first = first or peak_kb
        members = len(target.engine.membership.members)
        print(
            f"{done + ROUND:,} packets, seed {seed}: {members} names known, {peak_kb / 1024:.1f} MB at most", flush=True
        )
    print(f"{time.perf_counter() - began:.0f} s; {(peak_kb - first) / 1024:.1f} MB more than after the first round")


if __name__ == "__main__":
    main()
