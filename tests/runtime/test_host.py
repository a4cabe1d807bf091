"""The host's own rules: turns, pauses, strangers, pipes, and how it ends. The rest is in tests/conformance."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from meshq.config import Config
from meshq.errors import Closed, ConfigError
from meshq.machine import events
from meshq.machine.effects import Dial, Effect, Emit, Stop, Write
from meshq.runtime import turns as turns_module
from meshq.runtime.host import Host
from meshq.runtime.keyfile import HeldKeys, new_key
from meshq.runtime.loop import LoopThread
from meshq.runtime.streams import connect
from meshq.wire.keyring import PLAIN, Keyring
from tests.conformance.recorder import Recorder
from tests.runtime.loops import Ear, play, until


def new_host(machine: Recorder, **options: Any) -> Host:
    return Host(Config(name="n1"), factory=lambda *_, **__: machine, **{"bind": "127.0.0.1", "port": 0, **options})


@asynccontextmanager
async def hosted(machine: Recorder, **options: Any) -> AsyncIterator[Host]:
    host = new_host(machine, **options)
    await host.start()
    try:
        yield host
    finally:
        host.stop_now()
        await host.close()


class Leaver(Recorder):
    """Leaves when asked to, with a number of messages left."""

    def stop(self, now: float) -> None:
        super().stop(now)
        self.pending.append(Stop(None, 3))


class Broken(Recorder):
    """Fails at its first datagram or stream."""

    def accepted(self, now: float, source: Any) -> int:
        raise ValueError("a broken invariant")


def test_many_inputs_of_one_turn_of_the_loop_are_asked_for_effects_once() -> None:
    async def main() -> None:
        machine = Recorder()
        async with hosted(machine) as host:
            await until(lambda: machine.turns > 0)
            before = machine.turns
            for _ in range(100):
                host.drain(1.0)
            await until(lambda: machine.turns > before)
            assert machine.turns == before + 1
            assert len(machine.named("drain")) == 100

    play(main())


class Hasty(Recorder):
    """Has something ahead of its turn with a drain in it; notes whether that was done when it is asked for the rest."""

    done: Callable[[], bool]
    had_been_done: list[bool]

    def ahead(self) -> list[Effect]:
        return [Emit(events.Trouble("ahead"))] if self.named("drain") and not self.had_been_done else []

    def effects(self) -> list[Effect]:
        if self.named("drain"):
            self.had_been_done.append(self.done())
        return super().effects()


def test_what_is_ahead_is_carried_out_before_the_rest_of_the_turn_is_asked_for() -> None:
    async def main() -> None:
        machine, told = Hasty(), list[events.Event]()
        machine.done, machine.had_been_done = lambda: bool(told), []
        async with hosted(machine, on_event=told.append) as host:
            host.drain(1.0)
            await until(lambda: bool(machine.had_been_done))
        assert machine.had_been_done[0]

    play(main())


def test_a_late_deadline_is_served_after_what_waits_in_the_sockets() -> None:
    async def main() -> None:
        machine = Recorder()
        async with hosted(machine) as host:
            stream = await connect(host.address, Ear())
            await until(lambda: bool(machine.named("accepted")))
            machine.alarms = [time.monotonic() + 0.01]
            host.drain(0.0)
            await until(lambda: len(machine.named("drain")) == 1)
            with socket.socket(type=socket.SOCK_DGRAM) as peer:
                for _ in range(100):
                    peer.sendto(b"heard while paused", host.address)
                stream.write([b"heard too"])
                time.sleep(0.15)  # noqa: ASYNC251 - the pause of this test, not a guess
            await until(lambda: not machine.alarms)
            verbs = [each[0] for each in machine.inputs]
            assert verbs.index("tick") > max(i for i, verb in enumerate(verbs) if verb == "datagram")
            assert verbs.index("tick") > verbs.index("received")
            assert len(machine.named("datagram")) == 100
            assert host.pauses == 1
            stream.close()

    play(main())


def test_a_moved_wall_clock_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        machine = Recorder()
        moved = [0]
        monkeypatch.setattr(turns_module, "WALL_CHECK_S", 0.001)
        monkeypatch.setattr("meshq.runtime.clock._offset_ns", lambda: moved[0])
        async with hosted(machine):
            await until(lambda: bool(machine.inputs))
            moved[0] = 60_000_000
            await until(lambda: len(machine.named("wall")) == 1)

    play(main())


def test_a_clean_leave_is_told_with_the_messages_that_went_with_it() -> None:
    async def main() -> None:
        machine = Leaver()
        host = new_host(machine)
        await host.start()
        ear = Ear()
        await connect(host.address, ear)
        await until(lambda: bool(machine.named("accepted")))
        host.stop()
        assert await host.stopped() == Stop(None, 3)
        await host.close()
        await host.close()
        assert ear.reasons == ["eof"]
        host.drain(1.0)
        assert machine.named("drain") == [], "nothing is fed after the end"

    play(main())


def test_closing_asks_the_machine_to_leave() -> None:
    async def main() -> None:
        machine = Leaver()
        host = new_host(machine)
        await host.start()
        await host.close()
        assert (await host.stopped()).messages_left == 3

    play(main())


def test_a_port_is_free_again_after_the_close() -> None:
    async def main() -> None:
        machine = Recorder()
        async with hosted(machine) as host:
            address = host.address
        async with hosted(Recorder(), port=address[1]) as host:
            assert host.address == address

    play(main())


def test_a_machine_that_fails_ends_its_host_loudly(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        host = new_host(Broken())
        await host.start()
        ear = Ear()
        await connect(host.address, ear)
        stop = await host.stopped()
        assert isinstance(stop.error, ValueError)
        with pytest.raises(ValueError, match="a broken invariant"):
            await host.wait_ready()
        await until(lambda: bool(ear.reasons))
        await host.close()

    with caplog.at_level(logging.CRITICAL, "meshq.runtime"):
        play(main())
    assert "its engine failed" in caplog.text


def test_a_host_waits_until_its_machine_is_ready() -> None:
    async def main() -> None:
        machine = Recorder()
        async with hosted(machine) as host:
            waiting = asyncio.ensure_future(host.wait_ready())
            host.drain(0.0)
            await until(lambda: bool(machine.named("drain")))
            assert not waiting.done()
            machine.ready = True
            host.drain(0.0)
            await waiting

    play(main())


def test_a_host_that_stops_before_it_is_ready_says_so() -> None:
    async def main() -> None:
        machine = Leaver()
        host = new_host(machine)
        await host.start()
        waiting = asyncio.ensure_future(host.wait_ready())
        host.stop()
        with pytest.raises(Closed, match="stopped before it was ready"):
            await waiting
        await host.close()

    play(main())


def test_events_are_told_on_the_loop() -> None:
    async def main() -> None:
        heard: list[Any] = []
        machine = Recorder()
        machine.pending = [Emit(events.Alone(3.0))]
        async with hosted(machine, on_event=heard.append):
            await until(lambda: heard == [events.Alone(3.0)])

    play(main())


def test_streams_of_strangers_are_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        machine = Recorder()
        async with hosted(machine, bind="0.0.0.0") as host:
            monkeypatch.setattr("meshq.runtime.addresses.is_private", lambda _: False)
            ear = Ear()
            await connect(("127.0.0.1", host.address[1]), ear)
            await until(lambda: ear.reasons == ["reset"])
            assert machine.named("accepted") == []
            assert host.counters.strangers_refused == 1

    play(main())


def test_a_port_in_use_that_was_asked_for_is_refused_before_anything_starts() -> None:
    async def main() -> None:
        machine = Recorder()
        async with hosted(Recorder()) as host:
            second = new_host(machine, port=host.address[1])
            with pytest.raises(ConfigError, match=f"port {host.address[1]} is taken"):
                await second.start()
            await second.close()
            assert machine.inputs == []

    play(main())


def test_the_second_node_of_a_host_moves_its_default_port_by_hundreds() -> None:
    async def main() -> None:
        async with hosted(Recorder(), port=None) as first, hosted(Recorder(), port=None) as second:
            moved = second.address[1] - first.address[1]
            assert moved >= 100
            assert moved % 100 == 0

    play(main())


def test_a_host_whose_loop_is_torn_down_leaves_nothing_behind() -> None:
    ear = Ear()

    async def main() -> None:
        host = new_host(Recorder())
        await host.start()
        await connect(host.address, ear)
        raise RuntimeError("the user's own")

    with pytest.raises(RuntimeError, match="the user's own"):
        play(main())


def test_a_public_bind_without_open_is_refused() -> None:
    with pytest.raises(ConfigError, match="--open"):
        play(new_host(Recorder(), bind="8.8.8.8").start())


def test_a_public_bind_with_a_key_is_not_refused_for_being_public() -> None:
    for keys, why in ((Keyring([new_key()]), "not an address of this host"), (Keyring([PLAIN, new_key()]), "public")):
        host = new_host(Recorder(), bind="8.8.8.8", keys=HeldKeys(keys, None))
        with pytest.raises(ConfigError, match=why):
            play(host.start())


def test_a_pipe_from_another_thread_is_a_stream_without_an_address() -> None:
    async def main() -> None:
        thread = LoopThread("node").start()
        machine = Recorder()
        host = new_host(machine)
        await thread.run(host.start())
        ear = Ear()
        near = host.pipe(asyncio.get_running_loop())
        near.owner = ear
        near.write([b"hello"])
        await until(lambda: bytes(machine.bytes.get(1001, b"")) == b"hello")
        assert machine.sources[1001] == ("", 0)

        async def answer() -> None:
            machine.pending.append(Write(1001, [b"welcome"]))
            host.drain(0.0)

        await thread.run(answer())
        await until(lambda: ear.data == b"welcome")
        near.close()
        await until(lambda: machine.closes.get(1001) == "eof")
        thread.call(host.stop_now)
        await thread.run(host.close())
        late = Ear()
        host.pipe(asyncio.get_running_loop(), late)
        await until(lambda: late.reasons == ["reset"])
        assert thread.stop()
        with pytest.raises(Closed):
            host.pipe(asyncio.get_running_loop(), late)

    play(main())


def test_what_is_under_way_is_cancelled_with_the_end() -> None:
    async def main() -> None:
        machine = Recorder()
        async with hosted(machine) as host:
            with socket.socket() as listener:  # takes no connection: its backlog is full
                listener.bind(("127.0.0.1", 0))
                listener.listen(0)
                effects: list[Effect] = [Dial(n, listener.getsockname()) for n in range(10)]
                machine.pending = effects
                host.drain(0.0)
                await until(lambda: bool(machine.named("connected")))
                host.stop_now()
                await host.close()
        assert len(asyncio.all_tasks()) == 1

    play(main())
