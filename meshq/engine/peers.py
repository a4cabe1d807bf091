"""The members that a node knew, in its store: a restarted node finds its mesh by them.

Decides what is kept of a member, and how many of those kept are asked like seeds.
"""

from __future__ import annotations

from typing import Final

from meshq.config import Config
from meshq.errors import RemoteProtocolError
from meshq.machine.store import Put
from meshq.membership.member import Member
from meshq.wire import strict

KIND: Final = "peer"
ASKED_MAX: Final = 8
"""The latest to start are asked first: the mesh is wherever one of them is."""


def keep_peer(member: Member) -> Put:
    """The row that remembers where a member lives."""
    host, port = member.address
    return Put(KIND, member.name, strict.encode([host, port, member.epoch.ms]))


def forget_peer(name: str) -> Put:
    """The row that remembers it no longer."""
    return Put(KIND, name, None)


def known_peers(puts: list[Put], config: Config) -> list[str]:
    """Where to ask for the mesh besides the seeds, as seeds are written."""
    found: list[tuple[int, str]] = []
    for put in puts:
        if put.kind == KIND and put.value is not None and put.key != config.name:
            try:
                host, port, epoch_ms = strict.decode(put.value)
                found.append((epoch_ms, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"))
            except (RemoteProtocolError, TypeError, ValueError):
                continue
    return [seed for _, seed in sorted(found, reverse=True)[:ASKED_MAX] if seed not in config.seeds]
