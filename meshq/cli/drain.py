"""``meshq drain``: a node is asked to leave, and what it says meanwhile is shown until it has.

Decides how long it is waited for. What a drain does is the node's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Final

from meshq.cli import client, exits
from meshq.cli.happenings import sentence
from meshq.client import connect
from meshq.errors import Unreachable
from meshq.machine import events
from meshq.machine.events import Event

SPARE_S: Final = 10.0
"""So much longer than it was given a node may take until it is said that it does not leave."""
_TOLD: Final = (events.Draining, events.HandedOver, events.Leaving, events.Trouble)


def drain(nodes: Sequence[str] | None, timeout_s: float, *, as_json: bool) -> int:
    """Have the first of ``nodes`` that answers leave; the exit status, FAILED when messages stay behind.

    Raises MeshError when it can't be asked, or does not leave.
    """
    left = client.run(lambda: _drain(client.addresses(nodes), timeout_s, as_json=as_json))
    return exits.FAILED if left else exits.DONE


async def _drain(nodes: list[str], timeout_s: float, *, as_json: bool) -> int:
    """How many messages stay behind."""
    async with connect(*nodes, key=client.key()) as mesh:
        node = str((await mesh.ask("stats"))["name"])
        happenings = mesh.events()
        await mesh.drain(timeout_s)
        try:
            async with asyncio.timeout(timeout_s + SPARE_S):
                async for event in happenings:
                    if isinstance(event, _TOLD):
                        print(_line(node, event, as_json=as_json), flush=True)
                    if isinstance(event, events.Leaving):
                        return event.messages
        except TimeoutError:
            pass
        raise Unreachable(f"{node} did not say that it leaves, {timeout_s + SPARE_S:g} s after it was asked")


def _line(node: str, event: Event, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({**events.to_map(event), "node": node}, separators=(",", ":"))
    return f"{node}: {sentence(event)}"
