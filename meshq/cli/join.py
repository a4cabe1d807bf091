"""``meshq join``: a node that runs until it is stopped.

Decides which ports to take, when the node is told to leave, and the exit status. What is said meanwhile is
``talk``'s, the node is ``meshq.node`` on the loop of the main thread.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from meshq.cli import exits
from meshq.cli.journal import Journal
from meshq.cli.settings import Settings
from meshq.cli.sources import key_of, load
from meshq.cli.storage import check_memory_max, data_folder, name_in
from meshq.cli.talk import JsonTalk, PeopleTalk, Ready, Talk
from meshq.errors import ConfigError, MeshError
from meshq.http import HttpDoor
from meshq.machine.effects import Stop
from meshq.names import NAME_CHARACTERS_MAX
from meshq.node import Node
from meshq.runtime.addresses import (
    HTTP_PORT,
    LOOPBACK,
    MESH_PORT,
    Admission,
    bind_host,
    bind_tcp,
    free_ports,
    is_private,
    is_wildcard,
    show_address,
    split_address,
)
from meshq.runtime.keyfile import hold
from meshq.runtime.loop import run
from meshq.runtime.signals import StopSignals

PORT_TRIES: Final = 5
"""Nodes that start at the same time find the same ports free; whoever comes late looks again."""
STDOUT: Final = 1


def join(flags: Mapping[str, Any], file: Path | None, *, json_lines: bool) -> int:
    """Run a node; the exit status. Raises MeshError when it can't start, and when it ends on its own."""
    logging.basicConfig(format="meshq: %(levelname)s %(name)s: %(message)s")
    settings = load(flags, file)
    settings.config()
    check_memory_max(settings)
    journal = Journal(STDOUT)
    try:
        return run(_Joining(settings, JsonTalk(journal) if json_lines else PeopleTalk(journal)).run())
    finally:
        journal.close()


class _Joining:
    """One run of the command."""

    def __init__(self, settings: Settings, talk: Talk) -> None:
        self._settings = settings
        self._talk = talk
        self._keys = hold(key_of(settings["key"]))
        self._to_all = settings["open"] or (self._keys is not None and not self._keys.ring.takes_plain)
        self._host = own_host(settings["bind"], open_to_all=self._to_all)
        self._http_host = self._host
        if not settings["open"] and not is_wildcard(self._host) and not is_private(self._host):
            self._http_host = LOOPBACK  # a key keeps strangers out of the mesh, not of HTTP
        self._moved = 0

    async def run(self) -> int:
        """From start to end."""
        with StopSignals() as signals:
            opening = asyncio.create_task(self._open(), name="opening")
            signal = asyncio.create_task(signals.wait(), name="signal")
            await asyncio.wait((opening, signal), return_when=asyncio.FIRST_COMPLETED)
            if not opening.done():
                opening.cancel()
                await asyncio.wait((opening,))
            if opening.cancelled():
                return exits.DONE
            node, door = opening.result()
            try:
                self._talk.ready(self._ready(node, door))
                return await self._serve(node, signals, signal)
            finally:
                signal.cancel()
                await node.close()

    async def _serve(self, node: Node, signals: StopSignals, signal: asyncio.Task[Any]) -> int:
        ended = asyncio.create_task(node.stopped(), name="ended")
        await asyncio.wait((ended, signal), return_when=asyncio.FIRST_COMPLETED)
        stop = ended.result() if ended.done() else await self._leave(node, signals, ended)
        if stop is not None and stop.error is not None:
            raise _failure(stop.error)
        left = stop.messages_left if stop is not None else None
        self._talk.stopped(left)
        return exits.DONE if left == 0 or node.data is not None else exits.FAILED

    async def _leave(self, node: Node, signals: StopSignals, ended: asyncio.Task[Stop]) -> Stop | None:
        """Hand over until it is done or its time is over; None after a second signal: nobody knows what was left."""
        timeout_s = self._settings["drain_timeout_s"]
        self._talk.draining(timeout_s)
        draining = asyncio.create_task(node.drain(timeout_s), name="drain")
        impatient = asyncio.create_task(signals.again.wait(), name="second signal")
        await asyncio.wait((ended, impatient), return_when=asyncio.FIRST_COMPLETED)
        impatient.cancel()
        draining.cancel()
        if ended.done():
            return ended.result()
        ended.cancel()
        return None

    # starting

    async def _open(self) -> tuple[Node, HttpDoor]:
        """An open node and its door. Raises MeshError; nothing stays open then."""
        for tries_left in range(PORT_TRIES, 0, -1):
            ports = self._ports()
            try:
                return await self._try(*ports)
            except ConfigError:
                if tries_left == 1 or self._ports() == ports:
                    raise
        raise AssertionError("every try returns or raises")

    async def _try(self, port: int, http_port: int) -> tuple[Node, HttpDoor]:
        settings = self._settings
        if port == http_port != 0:
            raise ConfigError(f"--port and --http-port are the same, {port}: give one of them another")
        data = data_folder(settings, port)
        name = settings["name"] or name_in(data) or default_name(port)
        door = HttpDoor(self._http_host, http_port, names=settings["http_names"], open_to_all=settings["open"])
        door.bind()
        try:
            node = Node(
                config=replace(settings.config(), name=name),
                bind=settings["bind"] or None,
                port=port,
                advertise=settings["advertise"] or None,
                http_port=door.address[1],
                doors=[door],
                loop="shared",
                drain_timeout_s=0,
                open_to_all=settings["open"],
                on_event=self._talk.happened,
                data=data,
                key=key_of(settings["key"]),
            )
            await node
        except BaseException:
            door.release()
            raise
        return node, door

    def _ports(self) -> tuple[int, int]:
        """The mesh and the HTTP port to try. Those asked for stay; the others move to where they are free."""
        settings = self._settings
        asked, http_asked = settings.given("port"), settings.given("http_port")
        if asked and http_asked:
            return settings["port"], settings["http_port"]
        if not asked and not http_asked:
            self._moved = free_ports(self._host)
            return MESH_PORT + self._moved, HTTP_PORT + self._moved
        moved = free_ports(self._host, mesh=HTTP_PORT if asked else MESH_PORT, tcp=())
        return (settings["port"], HTTP_PORT + moved) if asked else (MESH_PORT + moved, settings["http_port"])

    def _ready(self, node: Node, door: HttpDoor) -> Ready:
        host, _ = split_address(node.address)
        wildcard = is_wildcard(door.address[0])
        return Ready(
            name=node.name,
            mesh=node.address,
            http=show_address((host if wildcard else door.address[0], door.address[1])),
            private_only=wildcard and not self._to_all,
            moved=self._moved,
            level=node.config.broker.level if node.data is not None else "memory",
            data=str(node.data or ""),
            key=self._keys.ring.in_use.name if self._keys is not None else "",
        )


def own_host(bind: str, *, open_to_all: bool) -> str:
    """The numeric address to listen on. Raises ConfigError when it is not this host's, or public and not opened."""
    host = bind_host(bind or None)
    Admission(host, open_to_all=open_to_all)
    bind_tcp(host, 0, hint="--bind").close()
    return host


def default_name(port: int) -> str:
    """The same name at each start of a node: the host's and the port; empty (a random one) when any port will do."""
    host = re.sub(r"[^.a-zA-Z0-9_-]", "-", socket.gethostname())
    return f"{host[: NAME_CHARACTERS_MAX - 6] or 'node'}-{port}" if port else ""


def _failure(error: Exception) -> MeshError:
    """Why a node that served has ended on its own."""
    if isinstance(error, MeshError):
        return MeshError(f"the node ended: {error}", code=error.code)
    return MeshError(f"the node failed: {error!r}")
