"""``meshq events``: what happens in the mesh from now on, as one of its nodes sees it, a line each.

Decides nothing about what is told: the node does. A reader that is too slow loses the oldest events, and a line says
how many; the node is not held up.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from meshq.cli import client, out
from meshq.cli.happenings import sentence
from meshq.cli.worker import Worker, write_all
from meshq.client import connect
from meshq.errors import MeshError
from meshq.machine import events
from meshq.machine.events import Event

STDOUT = 1


def follow(nodes: Sequence[str] | None, *, count: int | None, json_lines: bool) -> None:
    """Until ``count`` events, a signal, or a reader that is gone."""
    if sys.stdout is None:
        raise MeshError("standard output is closed: events would go nowhere")
    sys.stdout.flush()
    client.run(lambda: _follow(client.addresses(nodes), count, json_lines))


async def _follow(nodes: list[str], count: int | None, json_lines: bool) -> None:
    render = _json if json_lines else _words
    writer = Worker("stdout")
    async with connect(*nodes) as mesh:
        happening = mesh.events()
        if sys.stderr.isatty():
            out.say(f"what happens from now on, as {mesh.node_name} sees it (Ctrl-C ends it)")
        told = 0
        while count is None or told < count:
            event = await anext(happening, None)
            if event is None:
                return
            line = render(event)
            try:
                await writer.call(lambda line=line: write_all(STDOUT, line))  # type: ignore[misc]
            except BrokenPipeError:
                return
            told += 1


def _json(event: Event) -> bytes:
    """As ``meshq join --json`` says it: the fields of the event, with the time in unix seconds."""
    return json.dumps({**events.to_map(event), "at": round(time.time(), 3)}, separators=(",", ":")).encode() + b"\n"


def _words(event: Event) -> bytes:
    return f"{time.strftime('%H:%M:%S')} {sentence(event)}\n".encode(errors="replace")
