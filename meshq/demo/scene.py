"""What happens in the demo: three nodes, messages through all of them, and kill -9 for one half-way.

Decides the order of events; the processes are ``meshq.launcher``'s, what the survivors notice is ``Watch``'s, the
count is the ``Ledger``'s, the picture is the ``Stage``'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import aiohttp

from meshq.client import Mesh, connect
from meshq.demo.accident import Watch
from meshq.demo.consuming import Consumer
from meshq.demo.publishing import TOPIC, by_api, by_http, publish
from meshq.demo.stage import Stage
from meshq.demo.verdict import Verdict
from meshq.launcher import Launcher, NodeProcess

NAMES: Final = ("demo-1", "demo-2", "demo-3")
VICTIM: Final = "demo-3"
CHANNELS: Final = {"billing": ("demo-2", VICTIM), "audit": ("demo-1", VICTIM)}
"""Where each channel is consumed."""
PUBLISH_S: Final = 8.0
"""The publishing is spread over this long, so that it can be watched."""
DOWN_S: Final = 3.0
"""How long the killed node stays away at most: until a survivor's gossip misses it, too."""
PATIENCE_S: Final = 6.0
"""How long the demo waits for anything that should happen much sooner."""
POLL_S: Final = 0.02


class Scene:
    """One run of the demo."""

    def __init__(self, stage: Stage, publish_s: float = PUBLISH_S) -> None:
        self._stage = stage
        self._publish_s = publish_s
        self._ledger = stage.ledger
        self._processes: dict[str, NodeProcess] = {}
        self._stack = AsyncExitStack()
        self._meshes: dict[str, Mesh] = {}
        self._owed_at_kill = 0
        self._consumers: dict[str, list[Consumer]] = {name: [] for name in NAMES}
        self._leases_back_s: float | None = None
        self._rejoined_s: float | None = None
        self._rate = 0.0

    async def play(self) -> Verdict:
        """All of it. Raises MeshError when the nodes can't be started or reached."""
        with TemporaryDirectory(prefix="meshq-demo-") as folder, Launcher() as launcher:
            async with self._stack:
                await self._begin(launcher, Path(folder))
                await self._main(await self._stack.enter_async_context(aiohttp.ClientSession()))
                await asyncio.gather(*(each.stop() for name in NAMES for each in self._consumers[name]))
        self._stage.lost = self._ledger.outstanding()
        self._stage.phase = "done"
        return self._verdict()

    async def _begin(self, launcher: Launcher, folder: Path) -> None:
        """Nodes, a client of each, consumers."""
        for process in await asyncio.to_thread(_start, launcher, folder):
            self._processes[process.name] = process
            node = self._stage.nodes[process.name]
            node.mesh, node.http, node.state = process.mesh, process.http, "alive"
        self._stage.say("three node processes run, found by gossip, each with a data directory of its own")
        for name in NAMES:
            await self._connect(name)
        await self._consume(NAMES)
        self._stage.say("two channels have consumers at two nodes each")

    async def _connect(self, name: str) -> None:
        """A client of that node."""
        mesh = connect(self._processes[name].mesh, name=f"demo-at-{name}")
        self._meshes[name] = await self._stack.enter_async_context(mesh)

    async def _consume(self, names: tuple[str, ...]) -> None:
        """Have the consumers of these nodes subscribe."""
        for name in names:
            node = self._stage.nodes[name]
            own = [channel for channel, places in CHANNELS.items() if name in places]
            self._consumers[name] = [Consumer(self._stage, node, channel) for channel in own]
        await asyncio.gather(*(consumer.start() for name in names for consumer in self._consumers[name]))

    async def _main(self, session: aiohttp.ClientSession) -> None:
        """Publish, kill, restart, and wait for the last message."""
        watch = Watch(self._stage, {name: self._meshes[name] for name in NAMES if name != VICTIM}, VICTIM)
        async with asyncio.TaskGroup() as group:
            tasks = watch.start(group)
            self._stage.phase = f"publishing {self._ledger.count:,} messages through all three"
            began = time.monotonic()
            publishing = [group.create_task(work, name="publish") for work in self._producers(session)]
            await _until(lambda: self._ledger.confirmed * 2 >= self._ledger.count)
            await self._kill(watch)
            await self._restart(watch)
            await asyncio.wait(publishing, timeout=PATIENCE_S)
            self._stage.phase = "waiting for the last message"
            await self._rest()
            finished = sum(channel.finished for channel in self._ledger.channels.values())
            self._rate = finished / (time.monotonic() - began)
            await self._settle()
            for task in (*tasks, *publishing):
                task.cancel()

    def _producers(self, session: aiohttp.ClientSession) -> list[Any]:
        """One producer by each door at each node; the messages are dealt out evenly."""
        count, parts = self._ledger.count, 2 * len(NAMES)
        cuts = [count * part // parts for part in range(parts + 1)]
        numbers = [range(start, stop) for start, stop in pairwise(cuts)]
        producers = []
        for place, name in enumerate(NAMES):
            for part, send in enumerate((by_api(self._meshes[name]), by_http(session, self._stage.nodes[name]))):
                producers.append(publish(self._stage, send, numbers[2 * place + part], self._publish_s))
        return producers

    async def _kill(self, watch: Watch) -> None:
        """kill -9 for a node that holds messages, and its consumers with it; then wait until they are back."""
        consumers = self._consumers[VICTIM]
        await _until(lambda: all(each.in_hands for each in consumers) and self._ledger.outstanding_at(VICTIM) > 0, 1.0)
        watch.killed()
        held, self._owed_at_kill = sum(each.in_hands for each in consumers), self._ledger.outstanding_at(VICTIM)
        self._stage.say(
            f"kill -9 for {VICTIM}: it owes {self._owed_at_kill:,} deliveries of messages that it has confirmed, "
            f"and its consumers have {held:,} messages in their hands"
        )
        await asyncio.to_thread(self._processes[VICTIM].kill)
        for consumer in consumers:
            consumer.die()
        self._stage.nodes[VICTIM].note = "kill -9"
        self._stage.phase = f"{VICTIM} is killed half-way; the others go on"
        await _until(lambda: watch.leases_back_s() is not None)
        self._leases_back_s = watch.leases_back_s()
        await _until(watch.noticed, DOWN_S)

    async def _restart(self, watch: Watch) -> None:
        """Start the node and its consumers again; measure until every survivor holds it alive."""
        self._stage.phase = f"{VICTIM} starts again"
        began = time.monotonic()
        restart = asyncio.create_task(asyncio.to_thread(self._processes[VICTIM].restart), name="restart")
        if await _until(watch.rejoined):
            self._rejoined_s = time.monotonic() - began
            self._stage.say(f"{VICTIM} is back: alive for everybody {self._rejoined_s:.2f} s after its start")
        await restart
        self._stage.nodes[VICTIM].note = "started again on its data"
        await self._connect(VICTIM)
        await self._consume((VICTIM,))

    async def _rest(self) -> None:
        """Wait until every confirmed message is finished on both channels, or nothing moves any more."""
        while left := self._ledger.outstanding():
            if not await _until(lambda left=left: self._ledger.outstanding() < left):  # type: ignore[misc]
                return

    async def _settle(self) -> None:
        """Wait until the owners of the messages know that all are finished, and read their counters."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            channels = await self._channels()
            self._stage.redelivered = sum(channel.get("redelivered", 0) for channel in channels)
            if not sum(channel["depth"] + channel.get("in_flight", 0) for channel in channels):
                return
            await asyncio.sleep(POLL_S)

    async def _channels(self) -> list[dict[str, Any]]:
        """The demo's channels as each node counts them."""
        answers = await asyncio.gather(*(mesh.stats(TOPIC) for mesh in self._meshes.values()))
        topics = [topic for stats in answers for topic in stats["topics"] if topic["topic"] == TOPIC]
        return [channel for topic in topics for channel in topic["channels"]]

    def _verdict(self) -> Verdict:
        ledger = self._ledger
        return Verdict(
            published=ledger.published,
            confirmed=ledger.confirmed,
            finished={name: channel.finished for name, channel in ledger.channels.items()},
            lost=ledger.outstanding(),
            duplicates=sum(channel.duplicates for channel in ledger.channels.values()),
            redelivered=self._stage.redelivered,
            owed_at_kill=self._owed_at_kill,
            leases_back_s=_rounded(self._leases_back_s),
            rejoined_s=_rounded(self._rejoined_s),
            messages_per_s=round(self._rate, 1),
            seconds=round(self._stage.elapsed_s(), 3),
        )


def _start(launcher: Launcher, folder: Path) -> list[NodeProcess]:
    """The nodes, all in one mesh, each with a data directory below ``folder``."""
    first = _launch(launcher, folder, NAMES[0])
    rest = [_launch(launcher, folder, name, first.mesh, wait=False) for name in NAMES[1:]]
    for node in rest:
        node.wait_ready()
    return [first, *rest]


def _launch(launcher: Launcher, folder: Path, name: str, *seeds: str, wait: bool = True) -> NodeProcess:
    return launcher.start(name, *seeds, arguments=("--data", str(folder / name)), wait=wait)


async def _until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> bool:
    """Whether ``condition`` became true in time."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(POLL_S)
    return True


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
