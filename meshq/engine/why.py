"""Why a topic's messages are not delivered: the facts of all nodes as findings, worst first, and what to do.

Decides what the facts mean together. What a channel's messages wait for at one origin is ``broker.why``'s.
A finding is a plain map: ``why`` (a name of ``Why``), ``messages``, ``nodes``, and in words ``text`` and ``next``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from meshq.broker.why import Why
from meshq.engine.facts import Away, Facts, Held, Said, read

ORDER: Final = {why: rank for rank, why in enumerate(Why)}
NAMED_MAX: Final = 5
"""So many nodes are named in a sentence; the rest are counted."""

ERROR_CHARACTERS: Final = 200

Finding = dict[str, Any]


def answer(results: dict[str, Any], missing: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
    """One answer per channel, of what the nodes said and of those that did not."""
    topic, channel = arguments["topic"], arguments.get("channel", "")
    read_facts = {name: read(value) for name, value in results.items()}
    facts = {name: one for name, one in read_facts.items() if one is not None}
    silent = [*missing, *(name for name, one in read_facts.items() if one is None)]
    names = list(dict.fromkeys(name for one in facts.values() for name in one.names))
    chosen = [name for name in names if name == channel] if channel else names
    answers = [_Case(topic, name, facts, silent).answer() for name in chosen]
    if not chosen:
        case = _Case(topic, channel, facts, silent)
        answers = [{"channel": channel, "findings": [case.absent(names), *case.of_nodes()]}]
    return {"topic": topic, "answers": answers, "missing": silent}


class _Case:
    """One channel, over all nodes."""

    def __init__(self, topic: str, channel: str, facts: dict[str, Facts], silent: list[str]) -> None:
        self._topic = topic
        self._channel = channel
        self._name = f"{topic} {channel}".rstrip()
        self._facts = facts
        self._silent = silent
        told = {name: one.channels[channel] for name, one in facts.items() if channel in one.channels}
        self._reasons = {name: one.reasons for name, one in told.items()}
        self._held = {name: one.holding for name, one in told.items() if one.holding is not None}
        self._finished = sum(one.finished for one in told.values())
        self._ended: dict[str, int] = {}
        for one in told.values():
            for each, count in one.ended.items():
                self._ended[each] = self._ended.get(each, 0) + count
        self._missed = {name: one.missed for name, one in told.items() if one.missed}

    def answer(self) -> dict[str, Any]:
        """What holds the channel up, worst first; at least that nothing does."""
        findings = [*self._paused(), *self._of_messages()]
        if not findings:
            findings.append(self._nothing())
        findings += [*self._late(), *self._otherwise(), *self.of_nodes()]
        return {"channel": self._channel, "findings": sorted(findings, key=lambda one: ORDER[Why[one["why"]]])}

    def absent(self, names: list[str]) -> Finding:
        """There is no such topic, or no such channel."""
        topic, channel = self._topic, self._channel
        if not any(one.exists for one in self._facts.values()):
            hint = f"`meshq topics` lists those there are; `meshq pub {topic} BODY` makes this one"
            return _finding(Why.NO_TOPIC, 0, (), f"there is no topic {topic}", hint)
        backlog = {name: one.backlog for name, one in self._facts.items() if one.backlog}
        messages = sum(backlog.values())
        if not names:
            text = f"{topic} has no channel: {_messages(messages)} {_are(messages)} kept for its first{_at(backlog)}"
            hint = f"subscribe, the first channel gets all of them: `meshq sub {topic} {channel or 'CHANNEL'}`"
            return _finding(Why.NO_CHANNEL, messages, backlog, text, hint)
        text = f"{topic} has no channel {channel}; it has {_list(names)}"
        return _finding(Why.NO_CHANNEL, 0, (), text, f"check the name, or subscribe: `meshq sub {topic} {channel}`")

    def of_nodes(self) -> list[Finding]:
        """What keeps whole nodes from taking part."""
        found = [self._trouble(name, one) for name, one in self._facts.items() if one.store]
        found += [self._refusing(name, one.refusing) for name, one in self._facts.items() if one.refusing]
        for name in self._silent:
            hint = f"ask it, or see how it does: `meshq why {self._name} --node HOST` with its address"
            found.append(_finding(Why.NODE_SILENT, 0, (name,), f"{name} did not answer: it may hold more", hint))
        dead = self._dead()
        if dead:
            text = f"{_list(dead)} {_are(len(dead))} held dead ({_span(max(dead.values()))}), and may hold more"
            hint = "what it holds is delivered once it is back: start it again, or look at the network between"
            found.append(_finding(Why.NODE_DEAD, 0, dead, text, hint))
        return found

    # of messages

    def _of_messages(self) -> list[Finding]:
        found: list[Finding] = []
        said: dict[Why, dict[str, Said]] = {}
        for origin, reasons in self._reasons.items():
            for one in reasons:
                said.setdefault(one.why, {})[origin] = one
        for why, by_origin in said.items():
            speak = _SPEECH.get(why)
            if speak is not None:
                text, hint, nodes = speak(self, by_origin)
                found.append(_finding(why, sum(one.messages for one in by_origin.values()), nodes, text, hint))
        return self._beyond_reach(found, said.get(Why.NO_CONSUMER, {}))

    def _beyond_reach(self, found: list[Finding], alone: dict[str, Said]) -> list[Finding]:
        """No consumer that lives: those that did may be on the other side of a partition."""
        lost: dict[str, Away] = {}
        for origin in alone:
            for name, away in self._facts[origin].dead.items():
                if self._channel in away.channels:
                    lost[name] = away
        if not lost:
            return found
        how = max(lost.values(), key=lambda away: away.for_s)
        messages = {name: one.messages for name, one in alone.items()}
        text = (
            f"{_waiting(messages)}: its consumers were at {_list(lost)}, held dead for {_span(how.for_s)}: "
            "the node has ended, or the network between is cut"
        )
        hint = f"start it again, mend the network, or consume here: `meshq sub {self._name}`"
        kept = [one for one in found if one["why"] != Why.NO_CONSUMER.name]
        return [*kept, _finding(Why.PEER_UNREACHABLE, sum(messages.values()), lost, text, hint)]

    def _no_consumer(self, said: dict[str, Said]) -> tuple[str, str, Iterable[str]]:
        text = f"{_waiting(_counts(said))}: no node has a consumer of it"
        return text, f"start one: `meshq sub {self._name}`", said

    def _unreachable(self, said: dict[str, Said]) -> tuple[str, str, Iterable[str]]:
        peers = list(dict.fromkeys(peer for one in said.values() for peer in one.nodes))
        text = f"{_waiting(_counts(said))}: its consumers are at {_list(peers)}, and there is no link"
        tried = [one.unlinked[peer] for name in said if (one := self._facts[name]) for peer in peers
                 if peer in one.unlinked]  # fmt: skip
        if tried:
            away = max(tried, key=lambda one: one.for_s)
            text += f" ({away.how}, for {_span(away.for_s)})"
        return text, "see that the nodes reach each other by TCP on the mesh port, in either direction", peers

    def _no_credit(self, said: dict[str, Said]) -> tuple[str, str, Iterable[str]]:
        held = {name: self._held[name] for one in said.values() for name in one.nodes if name in self._held}
        text = f"{_waiting(_counts(said))}: every consumer holds as much as it may"
        if held:
            text += f": {'; '.join(_holding(name, one) for name, one in list(held.items())[:NAMED_MAX])}"
        hint = "finish faster, add consumers, or let them hold more at a time (max_in_flight)"
        if held and not any(one.capacity for one in held.values()):
            hint = "they asked for nothing: set their max_in_flight (RDY) above 0"
        return text, hint, held or said

    def _writer_busy(self, said: dict[str, Said]) -> tuple[str, str, Iterable[str]]:
        peers = list(dict.fromkeys(peer for one in said.values() for peer in one.nodes))
        text = f"{_waiting(_counts(said))}: {_list(peers)} {_has(peers)} room, but the way there is full"
        return text, "it passes as fast as network and peer take it; if it stays, look at them", peers

    def _loading(self, said: dict[str, Said]) -> tuple[str, str, Iterable[str]]:
        text = f"{_waiting(_counts(said))}, on disk only: the next of them are being read"
        return text, "it passes; if it stays, look at the disk and at `meshq stats`", said

    def _buffered(self, said: dict[str, Said]) -> tuple[str, str, Iterable[str]]:
        text = f"{_waiting(_counts(said))}, where consumers are, until one has room"
        return text, "finish faster, add consumers, or let them hold more at a time (max_in_flight)", said

    def _in_flight(self, said: dict[str, Said]) -> tuple[str, str, Iterable[str]]:
        holders: dict[str, int] = {}
        for one in said.values():
            for name, messages in one.nodes.items():
                holders[name] = holders.get(name, 0) + messages
        messages = sum(one.messages for one in said.values())
        text = f"{_messages(messages)} {_are(messages)} with consumers at {_list(holders)}"
        held = [self._held[name] for name in holders if name in self._held and self._held[name].in_hand]
        hint = "they come back by themselves when their consumer goes, or takes too long"
        if held:
            longest = max(held, key=lambda one: one.longest_s)
            text += f", the longest for {_span(longest.longest_s)}"
            hint = (
                f"finish them: untouched for {_span(longest.timeout_s)}, or when their consumer goes, they come again"
            )
        return text, hint, holders

    def _backing_off(self, said: dict[str, Said]) -> tuple[str, str, Iterable[str]]:
        messages = sum(one.messages for one in said.values())
        first = min(said.values(), key=_due)
        text = f"{_messages(messages)} {_wait(messages)} for {_its(messages)} time; the next failed {first.attempts} "
        text += f"time{'s' if first.attempts > 1 else ''} and is tried again in {_span(first.due_s or 0)}"
        if first.error:
            text += f"; it said: {first.error[:ERROR_CHARACTERS]}"
        return text, f"see which, and why its consumer requeues it: `meshq peek {self._name}`", said

    def _deferred(self, said: dict[str, Said]) -> tuple[str, str, Iterable[str]]:
        messages = sum(one.messages for one in said.values())
        first = min(said.values(), key=_due)
        when = f"the next is due in {_span(first.due_s)}" if first.due_s is not None else "none within a minute"
        return f"{_messages(messages)} {_are(messages)} deferred; {when}", "nothing is wrong: wait until then", said

    def _held_back(self, said: dict[str, Said]) -> tuple[str, str, Iterable[str]]:
        messages = sum(one.messages for one in said.values())
        text = f"{_waiting(_counts(said))} behind an earlier message of {_its(messages)} key that is not finished"
        return text, f"see which are in flight or deferred: `meshq peek {self._name}`", said

    def _unconfirmed(self, said: dict[str, Said]) -> tuple[str, str, Iterable[str]]:
        text = f"a publish is not confirmed yet: the store of {_list(said)} is writing"
        return text, "it passes; if it stays, look at the disk and at `meshq stats`", said

    # of the channel and the nodes

    def _paused(self) -> list[Finding]:
        found: list[Finding] = []
        held = {name: one.messages for name, every in self._reasons.items() for one in every if one.why is Why.PAUSED}
        for name, verb in (("", f"topics resume {self._topic}"), (self._channel, f"channels resume {self._name}")):
            nodes = [node for node, one in self._facts.items() if name in one.paused]
            if nodes:
                waiting = f", {_waiting(held)}" if held else ""
                text = f"{name or self._topic} is paused, nothing of it is handed out{waiting}"
                found.append(_finding(Why.PAUSED, sum(held.values()), nodes, text, f"let it go on: `meshq {verb}`"))
        return found

    def _nothing(self) -> Finding:
        consumers = sum(one.consumers for one in self._held.values())
        since = "since the nodes started"
        text = f"nothing waits: {_messages(self._finished)} {_has_been(self._finished)} finished {since}"
        text += f", {consumers} consumer{'s' if consumers != 1 else ''} listen{'s' if consumers == 1 else ''}"
        return _finding(
            Why.NONE, 0, (), text, f"publish: `meshq pub {self._topic} BODY`; is it the topic you publish to?"
        )

    def _late(self) -> list[Finding]:
        if not self._missed:
            return []
        messages = sum(self._missed.values())
        text = f"up to {_messages(messages)} came before {_list(self._missed)} had heard of the channel, and are gone"
        hint = "nothing brings these back: subscribe before you publish, or keep more (broker.window_s)"
        return [_finding(Why.MISSED, messages, self._missed, text, hint)]

    def _otherwise(self) -> list[Finding]:
        """What ended without a consumer that finished it."""
        if not self._ended:
            return []
        parts = [f"{count:,} {_ENDED[name]}" for name, count in self._ended.items() if name in _ENDED]
        text = f"of this channel's messages ended without a consumer: {', '.join(parts)}"
        hint = "time to live, limits and emptying are settings: `meshq topics`"
        if "dead" in self._ended:
            hint = f"see what failed, and send it back: `meshq dlq list {self._name}`"
        return [_finding(Why.ENDED, sum(self._ended.values()), (), text, hint)]

    def _trouble(self, name: str, facts: Facts) -> Finding:
        text = f"the store of {name} has trouble: {facts.store}"
        hint = "publishes that it should keep are refused until it works again, which is tried all the time"
        return _finding(Why.STORE_TROUBLE, 0, (name,), text, hint)

    def _refusing(self, name: str, code: str) -> Finding:
        if code == "DRAINING":
            text, hint = f"{name} is leaving the mesh and accepts nothing", "publish at another node"
            return _finding(Why.DRAINING, 0, (name,), text, hint)
        text = f"{name} is starting and accepts nothing until it has the catalog of another node"
        return _finding(Why.STARTING, 0, (name,), text, "see that it reaches its seeds: `meshq members`")

    def _dead(self) -> dict[str, float]:
        """Members held dead by somebody, and for how long; none that has answered."""
        dead: dict[str, float] = {}
        for one in self._facts.values():
            for name, away in one.dead.items():
                if name not in self._facts:
                    dead[name] = max(dead.get(name, 0.0), away.for_s)
        return dead


_SPEECH: Final[dict[Why, Callable[[_Case, dict[str, Said]], tuple[str, str, Iterable[str]]]]] = {
    Why.NO_CONSUMER: _Case._no_consumer,
    Why.PEER_UNREACHABLE: _Case._unreachable,
    Why.NO_CREDIT: _Case._no_credit,
    Why.WRITER_BUSY: _Case._writer_busy,
    Why.LOADING: _Case._loading,
    Why.BUFFERED: _Case._buffered,
    Why.IN_FLIGHT: _Case._in_flight,
    Why.BACKING_OFF: _Case._backing_off,
    Why.DEFERRED: _Case._deferred,
    Why.HELD_BACK: _Case._held_back,
    Why.UNCONFIRMED: _Case._unconfirmed,
}


_ENDED: Final = {
    "dead": "as dead letters",
    "expired": "by their time to live",
    "dropped_oldest": "dropped by a limit",
    "emptied": "emptied",
}


def _finding(why: Why, messages: int, nodes: Iterable[str], text: str, hint: str) -> Finding:
    return {"why": why.name, "messages": messages, "nodes": list(nodes), "text": text, "next": hint}


# words


def _counts(said: dict[str, Said]) -> dict[str, int]:
    return {origin: one.messages for origin, one in said.items()}


def _waiting(counts: dict[str, int]) -> str:
    messages = sum(counts.values())
    return f"{_messages(messages)} {_wait(messages)}{_at(counts)}"


def _holding(name: str, held: Held) -> str:
    text = f"{held.in_hand + held.buffered:,} of {held.capacity:,} at {name}"
    return f"{text}, the longest for {_span(held.longest_s)}" if held.in_hand else text


def _messages(count: int) -> str:
    return f"{count:,} message{'s' if count != 1 else ''}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _has_been(count: int) -> str:
    return "has been" if count == 1 else "have been"


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _its(count: int) -> str:
    return "its" if count == 1 else "their"


def _has(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _at(names: Iterable[str]) -> str:
    listed = _list(names)
    return f" at {listed}" if listed else ""


def _list(names: Iterable[str]) -> str:
    every = list(names)
    shown = ", ".join(every[:NAMED_MAX])
    return f"{shown} and {len(every) - NAMED_MAX} more" if len(every) > NAMED_MAX else shown


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def _due(said: Said) -> float:
    return float("inf") if said.due_s is None else said.due_s
