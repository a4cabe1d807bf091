"""What happened in the mesh, as a line for people. Pure, but for the time zone."""

from __future__ import annotations

import time
from typing import Any

from meshq.cli.out import many, printable
from meshq.machine import events
from meshq.machine.events import Event
from meshq.machine.settings import channel_settings, shown


def sentence(event: Event) -> str:
    """One line without a time. What peers said of themselves moves no cursor."""
    return printable(_told(event).encode())


def _told(event: Event) -> str:
    match event:
        case events.MemberJoined():
            return f"{event.name} joined at {event.address}"
        case events.MemberSuspected():
            return f"{event.name} does not answer (noticed by {event.by})"
        case events.MemberRecovered():
            return f"{event.name} answers again"
        case events.MemberFailed():
            return f"{event.name} is held dead (declared by {event.by})"
        case events.MemberLeft():
            return f"{event.name} left"
        case events.SeedFailed():
            return f"seed {event.seed} could not be reached: {event.reason}; trying again in {event.retry_s:g} s"
        case events.LinkUp():
            return f"link to {event.name} up"
        case events.LinkDown():
            back = f"; {event.leases:,} leases came back" if event.leases else ""
            return f"link to {event.name} down: {event.reason}{back}"
        case events.TopicCreated():
            return f"topic {event.topic} created"
        case events.TopicDeleted():
            return f"topic {event.topic} deleted"
        case events.ChannelCreated():
            return f"channel {event.topic}/{event.channel} created"
        case events.ChannelDeleted():
            return f"channel {event.topic}/{event.channel} deleted"
        case events.Configured():
            what = f"channel {event.topic}/{event.channel}" if event.channel else f"topic {event.topic}"
            return f"{what} {_set(event.settings)}"
        case events.Draining():
            return f"draining for at most {event.timeout_s:g} s: {many(event.messages, 'message')} not finished"
        case events.Leaving(messages=0):
            return "leaving: every message is finished, or with another node"
        case events.Leaving():
            stay = "stays" if event.messages == 1 else "stay"
            return f"leaving: {many(event.messages, 'message')} not finished {stay} behind"
        case events.HandedOver():
            return f"{event.to} took over {many(event.messages, 'message')} of {event.topic} (of {event.origin})"
        case events.TakenOver():
            return (
                f"took over {many(event.messages, 'message')} of {event.topic} (of {event.origin}) from {event.giver}"
            )
        case events.KeysChanged():
            also = f", and takes {event.others} too" if event.others else ""
            return f"keys: this node seals with {event.in_use} now{also}"
        case events.Alone(joined=True):
            return f"no member is left that knows the topics, for {event.after_s:g} s: serving alone, and still trying"
        case events.Alone():
            return f"no seed answered within {event.after_s:g} s: serving alone, and still trying"
        case events.Trouble():
            return event.text
        case events.Lost():
            return f"{event.count:,} events were not shown: there were too many at once"


def _set(settings: dict[str, Any]) -> str:
    """How it is set now, and when it was emptied, which is told as a setting as well."""
    own, emptied_ns = shown(settings), channel_settings(settings).emptied_ns
    text = f"is set: {own}" if own else "is set as by default"
    if not emptied_ns:
        return text
    at = time.strftime("%m-%d %H:%M:%S", time.localtime(emptied_ns // 1_000_000_000))
    return f"{text}; it was emptied at {at}"
