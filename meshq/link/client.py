"""The client's end of a link: verbs in, frames out, answers back.

Decides how a client's verbs become frames, and that settlements of one turn travel together. Leaves
futures, reconnecting and buffers to whoever drives it: the asyncio client and the simulator's.
"""

from __future__ import annotations

from typing import Any

from meshq.config import LinkConfig
from meshq.link.guard import Guard
from meshq.link.session import Session
from meshq.names import Epoch, LogId
from meshq.wire.fields import clip_error
from meshq.wire.frames import (
    NO_OPTIONS,
    VERSION,
    Ask,
    Capacity,
    Fin,
    Frame,
    Hello,
    Publish,
    Req,
    Return,
    Span,
    Subscribe,
    Touch,
    Unsubscribe,
    Watch,
)
from meshq.wire.keyring import Secrecy


def _guard(secrecy: Secrecy | None) -> Guard | None:
    if secrecy is None:
        return None
    from meshq.link.secure import DiallerGuard  # the ciphers, for who has a key

    return DiallerGuard(secrecy.ring.own, secrecy.entropy)


class ClientSession:
    """One connection of a client. The Hello among the received frames says that it is up."""

    def __init__(
        self,
        config: LinkConfig,
        now: float,
        *,
        label: str = "",
        name: str = "",
        epoch: Epoch,
        secrecy: Secrecy | None = None,
    ) -> None:
        """``secrecy``: the keys of a client that has them; it never speaks in plain then."""
        hello = Hello(VERSION, VERSION, [], label, "client", name, epoch, "", {})
        self._session = Session(config, now, hello, _guard(secrecy))
        self._fins: dict[int, list[Span]] = {}
        self._fin_numbers: dict[int, int] = {}

    @property
    def up(self) -> bool:
        """Whether the node has answered and neither side said goodbye."""
        return self._session.up

    @property
    def peer(self) -> Hello | None:
        """The node's Hello, once it came."""
        return self._session.peer

    def publish(
        self, request: int, topic: str, messages: int, body: bytes, options: dict[str, Any] | None = None
    ) -> None:
        """Publish a body of ``wire.bodies`` with the options of ``Publish``; Confirmed or Refused come back."""
        self._session.send(Publish(request, topic, messages, body, options or NO_OPTIONS))

    def subscribe(
        self,
        flow: int,
        topic: str,
        channel: str,
        messages: int,
        size_bytes: int,
        *,
        again: bool = False,
        barrier_ms: int | None = None,
        timeout_ms: int | None = None,
        start: str | int | None = None,
    ) -> None:
        """Become a consumer; Subscribed or Refused (with ``flow`` as the request) come back."""
        options: dict[str, Any] = {}
        if again:
            options["again"] = True
        if barrier_ms is not None:
            options["barrier_ms"] = barrier_ms
        if timeout_ms is not None:
            options["timeout_ms"] = timeout_ms
        if start is not None:
            options["start"] = start
        self._session.send(Subscribe(flow, topic, channel, messages, size_bytes, options or NO_OPTIONS))

    def capacity(self, flow: int, messages: int, size_bytes: int) -> None:
        """Hold at most this much from now on."""
        self._session.send(Capacity(flow, messages, size_bytes))

    def unsubscribe(self, flow: int) -> None:
        """Leave; what is held is requeued at once. Ended comes back."""
        self._flush_fins(flow)
        self._session.send(Unsubscribe(flow))

    def finish(self, flow: int, log: LogId, start: int, stop: int) -> None:
        """Settle messages; they leave with the turn's Fin, neighbours joined."""
        spans = self._fins.get(flow)
        if spans is None:
            self._fins[flow] = [(log, start, stop)]
            return
        last_log, last_start, last_stop = spans[-1]
        if last_stop == start and last_log == log:
            spans[-1] = (log, last_start, stop)
        else:
            spans.append((log, start, stop))

    def requeue(
        self, flow: int, log: LogId, start: int, stop: int, delay_ms: int, reason: str, error: str = ""
    ) -> None:
        """Not finished: deliver again after ``delay_ms``. ``reason``: requeue, departed, cancelled or broken."""
        self._flush_fins(flow)
        options = {"error": clip_error(error)} if error else NO_OPTIONS
        self._session.send(Req(flow, log, start, stop, delay_ms, reason, options))

    def give_back(self, flow: int, log: LogId, start: int, stop: int) -> None:
        """Never taken by the application: deliver to somebody else; counts nothing."""
        self._session.send(Return(flow, log, start, stop))

    def touch(self, flow: int, log: LogId, start: int, stop: int) -> None:
        """Start the message timeout of these messages again."""
        self._session.send(Touch(flow, [(log, start, stop)]))

    def ask(self, number: int, kind: str, arguments: dict[str, Any], deadline_ms: int) -> None:
        """A question; Answer comes back with ``number``, or nothing by the deadline."""
        self._session.send(Ask(number, kind, arguments, deadline_ms))

    def watch(self, on: bool) -> None:
        """Have Happened sent for each event, or no longer."""
        self._session.send(Watch(on))

    def goodbye(self, code: str = "", text: str = "") -> None:
        """Say goodbye after everything queued so far."""
        self._flush_all()
        self._session.goodbye(code, text)

    def receive(self, now: float, data: bytes) -> list[Frame]:
        """The node's frames in ``data``. Raises RemoteProtocolError: then give the connection up."""
        return self._session.receive(now, data)

    def output(self, now: float) -> list[bytes]:
        """What to write now, taken out."""
        self._flush_all()
        return self._session.output(now)

    def tick(self, now: float) -> None:
        """Queue a heartbeat when one is due."""
        self._session.tick(now)

    def deadline(self) -> float:
        """When ``tick`` or ``dead`` has something to say next."""
        return self._session.deadline()

    def dead(self, now: float) -> str | None:
        """Why the connection must be given up, or None."""
        return self._session.dead(now)

    def _flush_all(self) -> None:
        for flow in list(self._fins):
            self._flush_fins(flow)

    def _flush_fins(self, flow: int) -> None:
        spans = self._fins.pop(flow, None)
        if spans:
            number = self._fin_numbers.get(flow, 0) + 1
            self._fin_numbers[flow] = number
            self._session.send(Fin(flow, number, spans))
