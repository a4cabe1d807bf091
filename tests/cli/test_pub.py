"""What ``meshq pub`` says of messages that were under way when it ended: against scripted nodes, in this process."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable

import pytest

from meshq.cli import pub
from meshq.cli.pub import BATCH_MESSAGES, _Publishing
from meshq.errors import PartlyPublished, Unconfirmed
from meshq.wire.frames import Publish
from tests.client.nodes import Lan, ScriptedNode, on_loop, silent, until

WISHES = {"delay_s": 0.0, "ttl_s": 0.0, "id": "", "key": "", "priority": 0, "level": ""}


class Run:
    """The command at one node; it reads ``batches`` full ones from standard input, which stays open."""

    def __init__(self, patch: pytest.MonkeyPatch, batches: int) -> None:
        self.lan = Lan()
        self.node: ScriptedNode = self.lan.node("a")
        self.work = _Publishing("t", WISHES, 5.0)
        reader, self.writer = os.pipe()
        os.write(self.writer, b"x\n" * BATCH_MESSAGES * batches)
        patch.setattr(pub, "STDIN", reader)
        patch.setattr(pub, "connect", lambda *_, **__: self.mesh)

    def plays(self, course: Callable[[asyncio.Task[None]], Awaitable[None]], *bodies: str) -> None:
        """Start it, and go through ``course``."""

        async def played() -> None:
            self.mesh = self.lan.mesh(self.node)
            await course(asyncio.create_task(self.work.run([], bodies or ["-"])))

        on_loop(played)()
        os.close(self.writer)

    @property
    def sent(self) -> list[Publish]:
        """What it has sent to the node."""
        return self.node.all(Publish)


def test_interrupted_it_counts_what_is_answered_within_the_second_after(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(monkeypatch, batches=3)
    run.node.on_publish = silent

    async def course(command: asyncio.Task[None]) -> None:
        await until(lambda: len(run.sent) == 3)
        command.cancel()
        await until(lambda: run.mesh._closing is not None)
        for frame in run.sent:
            run.node.confirm(frame)
        with pytest.raises(asyncio.CancelledError):
            await command

    run.plays(course)
    run.work.report(as_json=False, done=False)
    assert capsys.readouterr().out == "768 confirmed, held in memory only\n"


def test_interrupted_it_says_how_many_may_or_may_not_be_published(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("meshq.client.mesh.SETTLE_S", 0.01)
    run = Run(monkeypatch, batches=3)
    run.node.on_publish = lambda frame: run.node.confirm(frame) if len(run.sent) == 1 else None

    async def course(command: asyncio.Task[None]) -> None:
        await until(lambda: len(run.sent) == 3 and run.work.confirmed)
        command.cancel()
        with pytest.raises(asyncio.CancelledError):
            await command

    run.plays(course)
    run.work.report(as_json=False, done=False)
    assert capsys.readouterr().out == (
        "256 confirmed, held in memory only; 512 more were sent and may or may not be published\n"
    )


def test_of_a_node_that_dies_every_batch_under_way_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(monkeypatch, batches=3)
    run.node.on_publish = silent

    async def course(command: asyncio.Task[None]) -> None:
        await until(lambda: len(run.sent) == 3)
        run.node.end()
        with pytest.raises(Unconfirmed):
            await command

    run.plays(course)
    run.work.report(as_json=False, done=False)
    assert capsys.readouterr().out == "0 confirmed; 768 were sent and may or may not be published\n"


def test_of_a_large_publish_that_was_confirmed_in_part_the_rest_is_in_doubt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(monkeypatch, batches=0)
    run.node.on_publish = lambda frame: run.node.confirm(frame) if len(run.sent) == 1 else None

    async def course(command: asyncio.Task[None]) -> None:
        await until(lambda: len(run.sent) == 2 and len(run.mesh._publisher._sent) == 1)
        run.node.end()
        with pytest.raises(PartlyPublished):
            await command

    run.plays(course, *["x"] * (BATCH_MESSAGES + 1))
    run.work.report(as_json=True, done=False)
    told = json.loads(capsys.readouterr().out)
    assert (told["confirmed"], told["unconfirmed"]) == (256, 1)


def test_what_waits_at_a_full_node_was_not_published_and_is_not_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, batches=1)
    run.node.on_publish = run.node.refuse

    async def course(command: asyncio.Task[None]) -> None:
        await until(lambda: run.sent)
        command.cancel()
        with pytest.raises(asyncio.CancelledError):
            await command

    run.plays(course)
    assert (run.work.confirmed, run.work.unconfirmed) == (0, 0)
