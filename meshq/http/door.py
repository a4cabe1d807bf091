"""The HTTP door of a node: nsqd's endpoints on the public Python API.

Decides what listens, who is let in, how much may wait, and which status a refusal becomes; holds no
broker rule. Given to a node from above: ``Node(doors=[HttpDoor("127.0.0.1", 4151)])``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Sequence
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from meshq.client import Mesh
from meshq.errors import (
    EXCEEDS,
    Closed,
    InvalidMessage,
    InvalidName,
    LevelUnavailable,
    MeshError,
    Overloaded,
    PartlyPublished,
    StoreTrouble,
    Unconfirmed,
    Unreachable,
)
from meshq.http import complaints
from meshq.http.access import Access
from meshq.http.admin import Admin
from meshq.http.publish import Publisher
from meshq.http.requests import Refusal, Room, document
from meshq.http.views import Views
from meshq.node import NodeInfo
from meshq.runtime.addresses import BACKLOG, Admission, bind_tcp, unmapped

CONNECTIONS_MAX: Final = 1024
"""Connections held at once; a further one is told 503 and closed."""
BODIES_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bodies held by all requests at once; beyond it a request is told 503 FULL."""
CLOSE_TIMEOUT_S: Final = 2.0
"""How long requests that are running may take to end when the door closes."""

_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\n"
    b'Connection: close\r\nContent-Length: 18\r\n\r\n{"message":"FULL"}'
)
_log = logging.getLogger("meshq.http")


class HttpDoor:
    """One listening HTTP address of a node; ``names`` are further host names under which it may be called.

    ``host`` is numeric; a wildcard takes everybody whom ``open_to_all`` or a private source address lets in.
    """

    def __init__(self, host: str, port: int, *, names: Sequence[str] = (), open_to_all: bool = False) -> None:
        self._host = host
        self._port = port
        self._names = tuple(names)
        self._admission = Admission(host, open_to_all=open_to_all)
        self._listener: socket.socket | None = None
        self._runner: web.AppRunner | None = None
        self._server: asyncio.AbstractServer | None = None
        self.refused_connections = 0

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; the port is real once started."""
        return self._host, self._port

    def bind(self) -> socket.socket:
        """Take the port now, so that it is known before the node starts. Raises ConfigError when it can't be had."""
        if self._listener is None:
            self._listener = bind_tcp(self._host, self._port, hint="--http-port")
            self._port = self._listener.getsockname()[1]
        return self._listener

    def release(self) -> None:
        """Give the port back, if it was taken."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    async def start(self, mesh: Mesh, node: NodeInfo) -> None:
        """Listen and serve until ``stop``. Raises ConfigError when the port can't be had; nothing stays open then."""
        listener = self.bind()
        try:
            self._runner = _runner(self._application(mesh, node))
            await self._runner.setup()
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._accept, sock=listener, backlog=BACKLOG)
            self._listener = None  # the server's now
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop listening, let running requests end for at most CLOSE_TIMEOUT_S, close all connections."""
        self.release()
        server, self._server = self._server, None
        if server is not None:
            server.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _accept(self) -> asyncio.Protocol:
        server = self._runner.server if self._runner is not None else None
        if server is None or len(server.connections) >= CONNECTIONS_MAX:
            self.refused_connections += 1
            return _Refusing()
        return server()

    def _application(self, mesh: Mesh, node: NodeInfo) -> web.Application:
        access = Access((self._host, node.advertised[0], node.name, socket.gethostname(), *self._names))
        application = web.Application(middlewares=[_guard(self._admission, access)])
        publisher = Publisher(mesh, node.config.broker, Room(BODIES_BYTES_MAX))
        views = Views(
            mesh,
            version=node.version,
            advertised=node.advertised[0],
            http_port=self._port,
            nsq_port=node.config.nsq_port,
        )
        admin = Admin(mesh)
        for path, get in (("/ping", views.ping), ("/info", views.info), ("/stats", views.stats)):
            application.router.add_get(path, get, allow_head=False)
        for path, post in (
            ("/pub", publisher.pub),
            ("/mpub", publisher.mpub),
            ("/topic/create", admin.create_topic),
            ("/topic/delete", admin.delete_topic),
            ("/topic/empty", admin.empty_topic),
            ("/topic/pause", admin.pause_topic),
            ("/topic/unpause", admin.unpause_topic),
            ("/channel/create", admin.create_channel),
            ("/channel/delete", admin.delete_channel),
            ("/channel/empty", admin.empty_channel),
            ("/channel/pause", admin.pause_channel),
            ("/channel/unpause", admin.unpause_channel),
        ):
            application.router.add_post(path, post)
        return application


class _Refusing(asyncio.Protocol):
    """A connection over the limit: told so and closed, whatever it sends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport), "a connection that cannot be written to"
        transport.write(_FULL)
        transport.close()


def _runner(application: web.Application) -> web.AppRunner:
    return web.AppRunner(
        application,
        handle_signals=False,
        access_log=None,
        logger=complaints.requests,
        auto_decompress=False,  # the body is opaque, whatever its Content-Encoding says
        keepalive_timeout=75.0,
        lingering_time=1.0,
        shutdown_timeout=CLOSE_TIMEOUT_S,
    )


def _guard(admission: Admission, access: Access) -> Middleware:
    """The way in and out of every handler: who may ask, and what an error becomes."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.remote is not None and not admission.admits(unmapped((request.remote, 0))[0]):
            return _error(403, "ADDRESS_NOT_ALLOWED: this node serves private addresses only")
        why = access.refusal(request.headers.get("Host"), request.headers.get("Origin"))
        if why is not None:
            return _error(403, why)
        try:
            return await handler(request)
        except Refusal as exc:
            return _error(exc.status, exc.code)
        except web.HTTPMethodNotAllowed as exc:
            return _wrong_method(request, sorted({*exc.allowed_methods, "OPTIONS"}))
        except web.HTTPNotFound:
            return _error(404, "NOT_FOUND")
        except MeshError as exc:
            return _error(*meaning(exc))
        except web.HTTPException:
            raise
        except (ConnectionError, web.RequestPayloadError) as exc:  # hung up in the middle, or a body that breaks off
            _log.debug("%s %s: %r", request.method, request.path, exc)
            return _error(400, "INVALID_REQUEST")
        except Exception:  # the boundary of the request's task: a bug costs one request
            _log.exception("%s %s failed", request.method, request.path)
            return _error(500, "INTERNAL_ERROR")

    return guard


def meaning(error: MeshError) -> tuple[int, str]:
    """Status and code of what the mesh refused."""
    match error:
        case PartlyPublished(__cause__=MeshError() as cause):
            return meaning(cause)
        case Overloaded() if error.code == "DRAINING":
            return 503, "EXITING"
        case Overloaded() if error.code == EXCEEDS:
            return 413, EXCEEDS
        case Overloaded() | StoreTrouble():
            return 503, error.code
        case LevelUnavailable():
            return 400, "LEVEL_UNAVAILABLE"
        case Closed() | Unreachable():
            return 503, "EXITING"
        case Unconfirmed():
            return 503, "UNCONFIRMED"
        case InvalidName() if error.code == "BAD_CHANNEL":
            return 400, "INVALID_CHANNEL"
        case InvalidName():
            return 400, "INVALID_TOPIC"
        case InvalidMessage() if error.code == "TOO_BIG":
            return 413, "MSG_TOO_BIG"
        case InvalidMessage():
            return 400, f"MSG_{error.code}"
        case MeshError(code="NOT_FOUND"):  # gone meanwhile, or #ephemeral: that can't be paused or emptied
            return 404, "NOT_FOUND"
    _log.warning("a request failed: %s", error)
    return 500, "INTERNAL_ERROR"


def _wrong_method(request: web.Request, allowed: list[str]) -> web.Response:
    if request.method == "OPTIONS":
        return web.Response(headers={"Allow": ", ".join(allowed)})
    response = _error(405, "METHOD_NOT_ALLOWED")
    response.headers["Allow"] = ", ".join(allowed)
    return response


def _error(status: int, code: str) -> web.Response:
    return document(json.dumps({"message": code}, separators=(",", ":")), status)
