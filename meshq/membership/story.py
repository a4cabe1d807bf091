"""The events that a change of account is told by.

Decides which events follow each other for one member, so that every stream of them is a legal path:

    (nothing known, failed or left) --> joined --> suspected --> recovered --> suspected ...
    joined, suspected, recovered    --> failed | left | joined (a later epoch)

A member that comes back suspected has joined and is suspected; what happens among the gone is not told.
"""

from __future__ import annotations

from meshq.machine.events import (
    Event,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberRecovered,
    MemberSuspected,
)
from meshq.membership.addresses import address_text
from meshq.membership.member import Member, State


def told(before: Member | None, after: Member, by: str) -> list[Event]:
    """The events between two accounts of a member; ``by`` accuses or reports."""
    was_live = before is not None and before.live
    if not after.live:
        if not was_live:
            return []
        return [MemberLeft(after.name) if after.state is State.LEFT else MemberFailed(after.name, by)]
    events: list[Event] = []
    new = before is None or not was_live or before.epoch != after.epoch
    if new:
        events.append(MemberJoined(after.name, address_text(after.address), after.epoch.ms))
    elif before is not None and before.state is State.SUSPECT and after.state is State.ALIVE:
        events.append(MemberRecovered(after.name))
    if after.state is State.SUSPECT and (new or (before is not None and before.state is State.ALIVE)):
        events.append(MemberSuspected(after.name, by))
    return events
