"""The joiner's side: finding the mesh by its seeds.

Decides which seeds are asked when, at which address and with which epoch this node appears, and when it is joined or
alone. A Join only asks; the node announces itself after the first answer, when it knows how it was seen and which
epoch of its name the mesh remembers.

    joiner                               seed
      | -- Join (name, epoch) ----------> |   admission: welcome, or whose name it is
      | <--------- Welcome in parts ----- |   live members; how the joiner was seen; the highest epoch heard
      | -- Rows (itself, what differs) -> |   announced from here on
"""

from __future__ import annotations

from typing import Final

from meshq.errors import ConfigError
from meshq.machine.effects import Address, Resolve, StreamPacket
from meshq.machine.events import Alone, SeedFailed
from meshq.membership.addresses import address_text, loopback, numeric, plain_host, usable
from meshq.membership.repair import ALL_BUCKETS
from meshq.membership.rumours import Kind
from meshq.membership.seeds import ADDRESSES_MAX, Seed
from meshq.membership.tables import Reading, hand_over
from meshq.membership.view import TimerKey, View
from meshq.wire import gossip
from meshq.wire.gossip import Join, Refusal, Welcome

ALONE: Final[TimerKey] = ("alone", 0)
REFUSALS: Final = ("KEY", "LABEL", "VERSION")
"""What only people can mend: another key, another mesh, another version. Whatever else keeps a seed may pass."""
ASKED_MAX: Final = 256
"""Joins whose answer is still taken; the oldest goes first."""


class Question:
    """A Join that was sent, and the table that comes back."""

    __slots__ = ("address", "reading", "seed")

    def __init__(self, seed: Seed, address: Address) -> None:
        self.seed = seed
        self.address = address
        self.reading: Reading | None = None


class Joining:
    """The way of one node into the mesh."""

    def __init__(self, view: View, *, bound: Address, advertised: Address | None, named: int | None) -> None:
        self._view = view
        self._bound = bound
        self._advertised = advertised
        minimum_s = view.settings.seed_retry_min_s
        self.seeds = [Seed(number, text, minimum_s) for number, text in enumerate(view.config.seeds)]
        self._named = self.seeds[:named]
        """Those that somebody has named, not the node itself: a refusal of theirs ends it."""
        self.host = ""
        """The member that let this node in: for a moment the only one that takes a word of it for a member's."""
        self.joined = False
        self.alone = False
        self._asked: dict[int, Question] = {}
        self._mine: dict[Address, None] = {bound: None, view.me.address: None}

    def start(self, now: float) -> None:
        """Ask every seed; without seeds the node is alone at once."""
        if self.joined:
            return
        if not self.seeds:
            self._announce(now, alone=True)
            return
        self._view.timers.arm(ALONE, now + self._view.settings.alone_after_s)
        for seed in self.seeds:
            self._attempt(now, seed)

    def finish(self, now: float) -> None:
        """The node is a member: stop asking, and say so."""
        for seed in self.seeds:
            self._view.timers.cancel(("seed", seed.number))
        self._view.timers.cancel(ALONE)
        self.joined, self.alone = True, False
        self._announce(now, alone=False)

    def waited(self, now: float) -> None:
        """No seed has let this node in in time: serve alone, and go on asking, unless one has refused it."""
        if self.alone:
            return
        for seed in self._named:
            if seed.refusal:
                self._turn_away(seed)
                return
        self._announce(now, alone=True)
        self._view.emit(Alone(self._view.settings.alone_after_s))

    def seed_waited(self, now: float, number: int) -> None:
        """An attempt took too long, or a seed has rested."""
        seed = self.seeds[number]
        if seed.asking:
            self._failed(now, seed)
        else:
            self._attempt(now, seed)

    def contact(self, now: float, seed: Seed) -> None:
        """Ask a seed once more, as a member: another part of the mesh may live there by now."""
        seed.asking = True
        self._ask(now, seed)

    def resolved(self, now: float, query: int, addresses: list[Address]) -> None:
        """The addresses of a seed's name."""
        if not 0 <= query < len(self.seeds) or not self.seeds[query].asking:
            return
        seed = self.seeds[query]
        if addresses:
            self._dial(now, seed, addresses[:ADDRESSES_MAX])
        else:
            seed.reason = "the name does not resolve"
            self._failed(now, seed)

    def welcomed(self, now: float, packet: Welcome, via: int) -> None:
        """A part of a seed's table; with the last one the node is joined."""
        view = self._view
        question = self._asked.get(packet.number)
        if question is None:
            return
        if question.reading is None:
            question.reading = Reading(packet.source)
            self._appear(now, packet.observed_host)
            view.raise_epoch(now, packet.highest)
        question.reading.take(now, view, packet.records, packet.source)
        if packet.last and not view.over:
            del self._asked[packet.number]
            question.seed.asking = False
            if not self.joined:
                self.host = packet.source
                self.finish(now)
            hand_over(view, via, question.reading.answer(view, ALL_BUCKETS))

    def refused(self, now: float, packet: Refusal) -> None:
        """The seed is this node itself, the mesh is full, or another member has this name."""
        question = self._asked.pop(packet.number, None)
        if question is None:
            return
        if packet.code == "SELF":
            self._mine[question.address] = None
            question.seed.others = [a for a in question.seed.others or () if a != question.address]
            self._check_alone(now)
        elif packet.code == "FULL":
            question.seed.reason = "the mesh is full (members_max)"
            self._failed(now, question.seed)
        elif packet.code == "NAME" and not self._view.announced:
            holder = address_text((packet.host, packet.port))
            name = self._view.me.name
            self._view.stop(ConfigError(f"name {name!r} is in use by {holder}; give this one another (--name)"))

    def trouble_with(self, now: float, address: Address, code: str, why: str) -> None:
        """The seed at ``address`` does not answer, or refuses with that code: why, for the line that says so.

        A node that every seed refuses does not belong where it was sent, and must not begin a mesh of its own there.
        """
        for seed in {q.seed.number: q.seed for q in self._asked.values() if q.address == address}.values():
            seed.trouble(address, why, refused=code in REFUSALS)
        asked = [seed for seed in self._named if not seed.mine]
        if asked and all(seed.shut for seed in asked) and not self.joined and not self.alone:
            self._turn_away(asked[0])

    def reached(self, now: float, host: str) -> None:
        """Somebody reached this node at ``host``: the address to tell, when it is bound to all and knows none."""
        view = self._view
        host = plain_host(host)
        if self._advertised is not None or usable(self._bound[0]) or not usable(host):
            return
        known = view.me.address[0]
        if not usable(known) or (loopback(known) and not loopback(host)):
            self._appear_as(now, (host, self._bound[1]))

    def _turn_away(self, seed: Seed) -> None:
        said = f"seed {seed.text} refuses this node and says: {seed.refusal}"
        self._view.stop(ConfigError(f"{said} (without seeds a node begins a mesh of its own)", code="REFUSED"))

    def _attempt(self, now: float, seed: Seed) -> None:
        seed.asking = True
        seed.reason = "no answer"
        self._view.timers.arm(("seed", seed.number), now + seed.patience_s)
        self._ask(now, seed)

    def _ask(self, now: float, seed: Seed) -> None:
        if numeric(seed.host):
            self._dial(now, seed, [(seed.host, seed.port)])
        else:
            self._view.out.append(Resolve(seed.number, seed.host, seed.port))

    def _dial(self, now: float, seed: Seed, addresses: list[Address]) -> None:
        seed.found([address for address in addresses if address not in self._mine])
        for address in seed.others or ():
            if not (self.joined and self._lives_at(address)):
                self._question(seed, address)
        self._check_alone(now)

    def _check_alone(self, now: float) -> None:
        """Whose seeds are all itself has none."""
        if not self.joined and not self.alone and all(seed.mine for seed in self.seeds):
            self._announce(now, alone=True)

    def _question(self, seed: Seed, address: Address) -> None:
        view = self._view
        number = view.number()
        if len(self._asked) >= ASKED_MAX:
            del self._asked[next(iter(self._asked))]
        self._asked[number] = Question(seed, address)
        host, port = view.me.address
        join = Join(number, view.me.name, view.me.epoch, host, port, *address, view.announced)
        view.out.append(StreamPacket(address, gossip.join(join)))

    def _failed(self, now: float, seed: Seed) -> None:
        if self.joined:
            seed.asking = False
            return
        wait_s = seed.rest(self._view.settings.seed_retry_max_s)
        self._view.timers.arm(("seed", seed.number), now + wait_s)
        if not seed.mine:
            self._view.emit(SeedFailed(seed.text, seed.reason, wait_s))

    def _lives_at(self, address: Address) -> bool:
        return any(member.address == address for member in self._view.live())

    def _appear(self, now: float, observed: str) -> None:
        """Choose the address to tell: what was asked for, else as a seed saw us unless loopback, else as bound."""
        if self._view.announced or self._advertised is not None:
            return
        host, port = self._bound
        if usable(observed) and (not loopback(observed) or not usable(host)):
            self._appear_as(now, (observed, port))

    def _appear_as(self, now: float, address: Address) -> None:
        view = self._view
        self._mine[address] = None
        if address != view.me.address:
            view.renew(now, Kind.JOIN, address=address, incarnation=view.raised())

    def _announce(self, now: float, *, alone: bool) -> None:
        view = self._view
        self.alone = alone
        if not view.announced:
            view.announced = True
            view.spread(now, view.me.name, Kind.JOIN, view.me.row)
