"""One member that does nothing else, and tells who comes and who dies."""

from __future__ import annotations

import time
from typing import Any

from meshq.bench.roles.telling import end_of_input, tell
from meshq.machine.events import MemberFailed, MemberJoined
from meshq.node import Node


async def play(member: str, seeds: list[str]) -> None:
    """A node without doors, until it is told to end."""
    over = end_of_input()
    node = Node(seeds, name=member, bind="127.0.0.1", port=0, loop="shared", on_event=_told, drain_timeout_s=0)
    async with node:
        tell(address=node.address)
        await over.wait()


def _told(event: Any) -> None:
    if isinstance(event, MemberJoined):
        tell(joined=event.name)
    elif isinstance(event, MemberFailed):
        tell(dead=event.name, at_s=time.monotonic())
