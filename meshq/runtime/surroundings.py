"""What nodes and clients take from around them: what drives an engine, an epoch, a name that nobody else has.

By default that is this process on this host. A loop may bring surroundings of its own, as the simulator's does: the
same ``Node`` and the same ``connect`` then live on a simulated host, in virtual time, and take no chance from outside.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from meshq.config import Config
from meshq.machine.events import Event
from meshq.names import NAME_CHARACTERS_MAX, Epoch
from meshq.runtime.contract import NodeHost
from meshq.runtime.epochs import next_epoch
from meshq.runtime.keyfile import HeldKeys


class Surroundings(Protocol):
    """Asked on the loop that they belong to, or outside of every loop."""

    @property
    def threads(self) -> bool:
        """Whether a node may have a thread and a loop of its own."""

    def host(
        self,
        config: Config,
        *,
        bind: str | None,
        port: int | None,
        advertise: str | None,
        open_to_all: bool,
        on_event: Callable[[Event], None] | None,
        data: Path | None,
        keys: HeldKeys | None,
    ) -> NodeHost:
        """What will drive a node's engine; nothing is opened yet."""

    def entropy(self, size: int, /) -> bytes:
        """So many bytes that nobody can guess."""

    def epoch(self) -> Epoch:
        """The epoch of a client's start."""

    def client_name(self) -> str:
        """What a client calls itself when its program does not say."""

    def node_name(self, data: Path | None) -> str:
        """The same of a node, unique in any mesh; with a data directory the name it ran under before."""


class Process:
    """This process on this host."""

    threads = True

    def host(
        self,
        config: Config,
        *,
        bind: str | None,
        port: int | None,
        advertise: str | None,
        open_to_all: bool,
        on_event: Callable[[Event], None] | None,
        data: Path | None,
        keys: HeldKeys | None,
    ) -> NodeHost:
        from meshq.runtime.host import Host  # thin clients never need an engine

        return Host(
            config,
            bind=bind,
            port=port,
            advertise=advertise,
            open_to_all=open_to_all,
            on_event=on_event,
            data=data,
            keys=keys,
        )

    def entropy(self, size: int, /) -> bytes:
        return secrets.token_bytes(size)

    def epoch(self) -> Epoch:
        return next_epoch()

    def client_name(self) -> str:
        return f"{_host_name(NAME_CHARACTERS_MAX - 16)}-{os.getpid()}"

    def node_name(self, data: Path | None) -> str:
        if data is not None:
            from meshq.runtime.store.folder import DATABASE
            from meshq.runtime.store.opening import known_name

            if name := known_name(data.expanduser() / DATABASE):
                return name
        return f"{_host_name(NAME_CHARACTERS_MAX - 8) or 'node'}-{secrets.token_hex(3)}"


PROCESS: Final = Process()


def surroundings() -> Surroundings:
    """Those of the running loop; without one, or when it brings none, this process."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return PROCESS
    found: Surroundings = getattr(loop, "surroundings", PROCESS)
    return found


def _host_name(characters_max: int) -> str:
    return re.sub(r"[^.a-zA-Z0-9_-]", "-", socket.gethostname())[:characters_max]
