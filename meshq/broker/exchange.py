"""Between this node and others: sessions, the frames of the credit protocol, what a writer pulls.

Decides which object a frame is for and in which order frames leave; what they mean is those objects' affair.
A frame of an ended session is never read. Whatever is said of leases leaves behind every frame that
changed them, so an audit never runs ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from meshq.broker.batch import Payload
from meshq.broker.giving import Giver
from meshq.broker.peer import Peer
from meshq.broker.registry import Registry
from meshq.broker.taking import Taker
from meshq.machine.rng import Rng
from meshq.names import Epoch
from meshq.wire.fields import error_of
from meshq.wire.frames import (
    Audit,
    Cede,
    Declined,
    Deliver,
    Fin,
    FinAck,
    Frame,
    Grant,
    Offer,
    Part,
    Place,
    Ready,
    Recall,
    Recalled,
    Req,
    Return,
    Taken,
    Withdraw,
)

FRAME_OVERHEAD_BYTES: Final = 128
"""What a DELIVER takes besides its body, about."""


class Exchange:
    """The broker's side of the links."""

    __slots__ = ("_giver", "_handlers", "_registry", "_rng", "_taker", "_turn")

    def __init__(self, registry: Registry, rng: Rng, giver: Giver, taker: Taker) -> None:
        self._registry = registry
        self._giver = giver
        self._taker = taker
        self._turn = registry.turn
        self._rng = rng
        self._handlers: dict[type[Any], Callable[[Peer, Any], None]] = {
            Ready: self._ready,
            Grant: self._grant,
            Deliver: self._deliver,
            Recall: self._recall,
            Recalled: self._recalled,
            Fin: self._fin,
            FinAck: self._fin_ack,
            Req: self._req,
            Return: self._return,
            Audit: self._audit,
            Offer: taker.offer,
            Part: taker.part,
            Place: taker.place,
            Cede: taker.cede,
            Withdraw: taker.withdraw,
            Taken: giver.taken,
            Declined: giver.declined,
        }

    # sessions

    def began(self, peer: str, epoch: Epoch) -> None:
        """There is a link to ``peer``: a new session, which ends an earlier one."""
        found = self._registry.peer(peer)
        if found.session:
            self.ended(peer)
        found.session = True
        found.epoch = epoch
        self._turn.wanted.names.pop(peer, None)
        for source in found.sources.values():
            source.begin()
        for borrower in found.borrowers.values():
            borrower.begin(epoch)

    def ended(self, peer: str) -> int:
        """The link is gone: leases and credit with it. Returns how many leased messages came back."""
        found = self._registry.peers.get(peer)
        if found is None or not found.session:
            return 0
        found.session = False
        found.outbox.clear()
        found.flagged.clear()
        self._giver.session_ended(found)
        self._taker.session_ended(found)
        messages = 0
        for borrower in list(found.borrowers.values()):
            messages += borrower.end()
            if found.epoch is not None and found.epoch == found.dead_epoch and borrower.marks:
                borrower.count_dead()
            if borrower.empty():
                self._registry.forget_borrower(borrower.channel, peer)
        for source in list(found.sources.values()):
            source.end()
            self._turn.finishing.pop(source, None)
            self._registry.tidy_source(found, source)
        if not self._idle(found):
            self._turn.want(peer)
        return messages

    def died(self, peer: str, epoch: Epoch) -> None:
        """That start of ``peer`` is over: what it held when its session ended counts an attempt."""
        found = self._registry.peer(peer)
        found.dead_epoch = epoch
        for borrower in found.borrowers.values():
            if borrower.marks_epoch == epoch:
                borrower.count_dead()

    # writing

    def pull(self, peer: str, room_bytes: int) -> list[Frame]:
        """The writer to ``peer`` takes frames: control first, then channels in turn until the room is used."""
        found = self._registry.peers.get(peer)
        if found is None or not found.session:
            return []
        self._flush(found)
        flagged, outbox = found.flagged, found.outbox
        room_bytes -= FRAME_OVERHEAD_BYTES * len(outbox)
        while flagged and room_bytes > 0:
            channel = next(iter(flagged))
            del flagged[channel]
            before = len(outbox)
            if channel.pull(peer):
                flagged[channel] = None
                for frame in outbox[before:]:
                    room_bytes -= FRAME_OVERHEAD_BYTES + (len(frame.body) if type(frame) is Deliver else 0)
                self._turn.note(channel)
        return found.take_outbox()

    def wants_pull(self, peer: str) -> bool:
        """Whether ``pull`` may have something for ``peer``."""
        found = self._registry.peers.get(peer)
        return found is not None and found.session and bool(found.flagged or found.outbox)

    def pullable(self) -> list[str]:
        """The peers that want pulling, nearest first, in rotation among equals: the order to pull in."""
        wanting = [peer for peer in self._registry.peers.values() if (peer.flagged or peer.outbox) and peer.session]
        if len(wanting) > 1:
            turn = self._rng.randrange(len(wanting))
            wanting = sorted(wanting[turn:] + wanting[:turn], key=_nearness)
        return [peer.name for peer in wanting]

    def heartbeat(self, peer: str) -> list[Frame]:
        """Acknowledgements and audits, behind every frame that was due before them."""
        found = self._registry.peers.get(peer)
        if found is None or not found.session:
            return []
        self._flush(found)
        frames = found.take_outbox()
        for key, borrower in found.borrowers.items():
            if borrower.fin_number > borrower.acknowledged:
                borrower.acknowledged = borrower.fin_number
                frames.append(FinAck(key, borrower.fin_number))
        for key, source in found.sources.items():
            counts = source.audit()
            if counts:
                frames.append(Audit(key, counts))
        return frames

    def idle(self, peer: str) -> bool:
        """Whether a link to ``peer`` would serve nobody: no leases, no messages, no unacknowledged FINs."""
        found = self._registry.peers.get(peer)
        return found is None or self._idle(found)

    def _idle(self, peer: Peer) -> bool:
        for source in peer.sources.values():
            if source.fins or source.holds() or (source.queued and source.receiver.consumers):
                return False
        for borrower in peer.borrowers.values():
            if borrower.leased() or borrower.fin_number > borrower.acknowledged:
                return False
            if borrower.interested and borrower.channel.waits():
                return False
        return True

    def _flush(self, peer: Peer) -> None:
        """FINs that were not said yet go before anything that could be read as if they had been."""
        for source in peer.sources.values():
            if source in self._turn.finishing:
                del self._turn.finishing[source]
                source.flush()

    # reading

    def frame(self, peer: str, frame: Any) -> None:
        """A frame of the present session."""
        found = self._registry.peers.get(peer)
        if found is not None and found.session:
            self._handlers[type(frame)](found, frame)

    def _ready(self, peer: Peer, frame: Ready) -> None:
        known = frame.flow in peer.sources
        source = self._registry.source(peer, frame.flow)  # type: ignore[arg-type]
        # What was granted by a receiver that ended meanwhile is forgotten here: nothing to take back.
        source.ready(frame.least, *((frame.back_messages, frame.back_bytes) if known else (0, 0)))

    def _deliver(self, peer: Peer, frame: Deliver) -> None:
        flow, log, start, stop, accepted_ns, attempts, body, _ = frame
        source = peer.sources.get(flow)  # type: ignore[arg-type]
        if source is None:
            peer.outbox.append(Return(flow, log, start, stop))
        elif len(body) < 2 * (stop - start):
            source.accuse(f"{stop - start} messages in {len(body)} bytes")
        else:
            source.deliver(log, Payload(start, stop - start, body), start, stop, accepted_ns, attempts)

    def _recalled(self, peer: Peer, frame: Recalled) -> None:
        source = peer.sources.get(frame.flow)  # type: ignore[arg-type]
        if source is not None:
            source.recalled(frame.messages, frame.bytes)

    def _fin_ack(self, peer: Peer, frame: FinAck) -> None:
        source = peer.sources.get(frame.flow)  # type: ignore[arg-type]
        if source is not None:
            source.fins.acknowledge(frame.number)

    # frames to this node as origin

    def _grant(self, peer: Peer, frame: Grant) -> None:
        borrower = peer.borrowers.get(frame.flow)  # type: ignore[arg-type]
        if borrower is not None:
            borrower.grant(frame.messages, frame.bytes)
        else:
            peer.outbox.append(Recalled(frame.flow, frame.messages, frame.bytes))

    def _recall(self, peer: Peer, frame: Recall) -> None:
        borrower = peer.borrowers.get(frame.flow)  # type: ignore[arg-type]
        if borrower is not None:
            borrower.recall()
        else:
            peer.outbox.append(Recalled(frame.flow, 0, 0))

    def _fin(self, peer: Peer, frame: Fin) -> None:
        channel = self._registry.channels.get(frame.flow)  # type: ignore[arg-type]
        if channel is None:
            peer.outbox.append(FinAck(frame.flow, frame.number))
        else:
            self._registry.borrower(channel, peer.name).fin(frame.number, frame.spans)
            self._turn.note(channel)

    def _req(self, peer: Peer, frame: Req) -> None:
        borrower = peer.borrowers.get(frame.flow)  # type: ignore[arg-type]
        if borrower is not None:
            error = error_of(frame.options)
            delay_s = min(frame.delay_ms / 1000, self._turn.config.broker.requeue_delay_max_s)
            borrower.req(frame.log, frame.start, frame.stop, delay_s, frame.reason, error)

    def _return(self, peer: Peer, frame: Return) -> None:
        borrower = peer.borrowers.get(frame.flow)  # type: ignore[arg-type]
        if borrower is not None:
            borrower.give_back(frame.log, frame.start, frame.stop)

    def _audit(self, peer: Peer, frame: Audit) -> None:
        self._turn.counters.audits += 1
        borrower = peer.borrowers.get(frame.flow)  # type: ignore[arg-type]
        why = borrower.audit(frame.counts) if borrower is not None else ""
        if why:
            self._turn.counters.audit_differences += 1
            self._turn.accuse(peer.name, f"audit of {'/'.join(map(str, frame.flow))}: {why}")  # type: ignore[arg-type]


def _nearness(peer: Peer) -> int:
    return peer.nearness
