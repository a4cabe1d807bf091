"""What every client command shares: which nodes to speak to, and how the command ends on a signal."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from meshq.cli.exits import Interrupted, WrongUse
from meshq.cli.sources import key_of
from meshq.errors import ConfigError
from meshq.runtime.addresses import split_address
from meshq.runtime.loop import run as run_loop
from meshq.runtime.signals import StopSignals
from meshq.wire.keyring import Keyring

T = TypeVar("T")


def addresses(nodes: Sequence[str] | None) -> list[str]:
    """The nodes named on the command line, else in MESHQ_NODE (parted by commas), else localhost. Raises WrongUse."""
    named = nodes or os.environ.get("MESHQ_NODE", "").split(",")
    texts = [each.strip() for each in named if each.strip()] or ["localhost"]
    try:
        for text in texts:
            split_address(text)
    except ConfigError as exc:
        raise WrongUse(f"--node or MESHQ_NODE: {exc}") from exc
    return texts


def key() -> Path | Keyring | None:
    """The keys of the mesh, by MESHQ_KEY (their file) or MESHQ_KEYS; nodes of this host can be had without."""
    return key_of(os.environ.get("MESHQ_KEY", ""))


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of ``main`` on a loop of its own.

    SIGINT and SIGTERM cancel it, so that it gives back what it holds; then Interrupted is raised. A
    second signal ends the process at once. Raises WrongUse for settings that the node refuses: nothing starts here.
    """
    try:
        return run_loop(_until_signal(main))
    except ConfigError as exc:
        raise WrongUse(str(exc)) from exc


@contextmanager
def talkative() -> Iterator[None]:
    """Have the client say on standard error when it loses its node and when it has one again, which it logs."""
    log, handler = logging.getLogger("meshq.client"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("meshq: %(message)s"))
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


async def _until_signal(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with StopSignals() as signals:
        work = asyncio.create_task(main(), name="command")
        watch = asyncio.create_task(_cancel(work, signals), name="signals")
        try:
            return await work
        except asyncio.CancelledError:
            if signals.last is None:
                raise
            raise Interrupted(signals.last) from None
        finally:
            watch.cancel()


async def _cancel(work: asyncio.Task[Any], signals: StopSignals) -> None:
    number = await signals.wait()
    work.cancel()
    await signals.again.wait()
    os._exit(128 + number)
