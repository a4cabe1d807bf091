"""What ``meshq sub`` says of its node while it consumes: against scripted nodes, in this process."""

from __future__ import annotations

import asyncio

import pytest

from meshq.cli import client, sub
from meshq.cli.sub import _Consuming
from meshq.wire.frames import Subscribe
from tests.client.nodes import Lan, on_loop, until


def test_a_node_that_is_lost_and_one_that_is_found_are_a_line_each_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lan = Lan()
    first, second = lan.node("a"), lan.node("b")
    monkeypatch.setattr(sub, "connect", lambda *_, **__: lan.mesh(first))

    async def course() -> None:
        command = asyncio.create_task(_Consuming("t", "c", 1, None, False, None).run([], 1))
        await until(lambda: first.all(Subscribe))
        lan.down.add(first.address)
        first.end()
        await until(lambda: second.all(Subscribe))
        second.deliver(second.flow, [b"one"])
        await command

    with client.talkative():
        on_loop(course)()
    said = capfd.readouterr()
    assert said.out == "one\n"
    lost, found = said.err.splitlines()
    assert lost.startswith("meshq: lost a: the connection ended: ")
    assert lost.endswith("; trying again")
    assert found == "meshq: connected to b"
