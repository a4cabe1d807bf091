"""One member of a kinship cluster, with its settings for one network; it tells who comes and who dies.

kinship (a package of its own, not of meshq's) speaks SWIM with Lifeguard, in Rust.
"""

from __future__ import annotations

import time
from base64 import b64encode
from hashlib import sha256
from importlib import import_module
from typing import Any, Final

from meshq.bench.roles.telling import tell

KEY: Final = b64encode(sha256(b"meshq bench").digest()).decode()
"""It speaks in the open on its own only with other timing; everybody here has this key."""


async def play(member: str, seeds: list[str]) -> None:
    """A member until the process is killed."""
    kinship: Any = import_module("kinship")
    config = kinship.Config.lan(name=member, bind="127.0.0.1:0", seeds=seeds, keys=[KEY])
    async with kinship.Cluster(config) as cluster:
        events = cluster.events()
        tell(address=str(cluster.local.addr))
        for there in cluster.members():
            tell(joined=there.name)
        async for event in events:
            _told(type(event).__name__, event)


def _told(kind: str, event: Any) -> None:
    if kind == "MemberJoined":
        tell(joined=event.member.name)
    elif kind == "MemberDead":
        tell(dead=event.member.name, at_s=time.monotonic())
