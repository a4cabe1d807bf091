"""Plays one role as a process of its own: ``python -m meshq.bench.roles NAME JSON``.

A module is imported only when its role is played: a calibration should not wait for a client library.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import sys
from typing import Any, Final

ROLES: Final = {
    "spin": "meshq.bench.roles.spin:spin",
    "relay": "meshq.bench.roles.relay:relay",
    "relay-load": "meshq.bench.roles.relay:load",
    "relay-pace": "meshq.bench.roles.relay:pace",
    "relay-sink": "meshq.bench.roles.relay:sink",
    "publish": "meshq.bench.roles.publish:publish",
    "finished": "meshq.bench.roles.publish:finished",
    "consume": "meshq.bench.roles.consume:consume",
    "publish-paced": "meshq.bench.roles.paced:publish_paced",
    "consume-paced": "meshq.bench.roles.paced:consume_paced",
    "idle": "meshq.bench.roles.idle:idle",
    "publish-steady": "meshq.bench.roles.steady:publish_steady",
    "consume-steady": "meshq.bench.roles.steady:consume_steady",
    "drained": "meshq.bench.roles.steady:drained",
    "publish-numbered": "meshq.bench.roles.numbered:publish_numbered",
    "consume-numbered": "meshq.bench.roles.numbered:consume_numbered",
    "all-settled": "meshq.bench.roles.numbered:all_settled",
    "nats-publish": "meshq.bench.peers.nats:publish",
    "nats-consume": "meshq.bench.peers.nats:consume",
    "jetstream-publish": "meshq.bench.peers.jetstream:publish",
    "jetstream-consume": "meshq.bench.peers.jetstream:consume",
    "redis-publish": "meshq.bench.peers.redis:publish",
    "redis-consume": "meshq.bench.peers.redis:consume",
    "member": "meshq.bench.roles.member:play",
    "kinship-member": "meshq.bench.peers.kinship:play",
}


def main(name: str, given: dict[str, Any]) -> None:
    """Play it to its end; an error of the mesh is told to whoever started this."""
    module, function = ROLES[name].split(":")
    work = getattr(importlib.import_module(module), function)
    if not asyncio.iscoroutinefunction(work):
        work(**given)
        return
    from meshq.bench.roles.telling import tell
    from meshq.errors import MeshError
    from meshq.runtime.loop import run

    try:
        run(work(**given))
    except* MeshError as group:  # of however many tasks: the first will do
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        tell(error=str(error))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # whoever started this has gone
        main(sys.argv[1], json.loads(sys.argv[2]))
