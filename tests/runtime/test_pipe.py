"""Pipes carry bytes in order between loops in different threads, few calls for many writes, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from meshq.runtime.loop import LoopThread
from meshq.runtime.pipe import PipeStream, pipe
from tests.runtime.loops import Ear, play, until


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    running = LoopThread("far").start()
    yield running
    assert running.stop()


class Echo(Ear):
    """Sends back what it hears."""

    stream: PipeStream

    def stream_received(self, data: bytes) -> None:
        super().stream_received(data)
        self.stream.write([data])


async def joined(
    thread: LoopThread | None, far_owner: Ear, *, mark: int = 256 * 1024
) -> tuple[PipeStream, PipeStream, Ear]:
    loop, ear = asyncio.get_running_loop(), Ear()
    near, far = pipe(loop, thread.loop if thread else loop, mark=mark, near_owner=ear, far_owner=far_owner)
    return near, far, ear


def test_bytes_cross_between_threads_and_back_in_order(thread: LoopThread) -> None:
    async def main() -> None:
        echo = Echo()
        near, echo.stream, ear = await joined(thread, echo)
        sent = bytearray()
        for number in range(2000):
            chunk = number.to_bytes(4, "big") * (number % 50)
            sent += chunk
            near.write([chunk, b"."])
            sent += b"."
            if number % 100 == 0:
                await asyncio.sleep(0)
        await until(lambda: len(ear.data) == len(sent))
        assert ear.data == sent
        assert near.buffered_bytes == 0

    play(main())


def test_the_writes_of_one_turn_arrive_in_one_call() -> None:
    async def main() -> None:
        far_ear = Ear()
        near, _, _ = await joined(None, far_ear)
        for _ in range(100):
            near.write([b"a", b"b"])
        assert near.buffered_bytes == 200
        await until(lambda: len(far_ear.data) == 200)
        assert far_ear.calls == 1

    play(main())


def test_a_full_pipe_says_so_and_tells_when_it_is_drained(thread: LoopThread) -> None:
    async def main() -> None:
        near, _, ear = await joined(thread, Ear(), mark=1000)
        for round_ in range(50):
            near.write([b"x" * 600])
            near.write([b"x" * 600])
            await until(lambda: not near.full and near.buffered_bytes == 0)
            assert ear.drains <= round_ + 1
        near.write([b"x" * 10_000])
        await until(lambda: not near.full)

    play(main())


def test_a_close_comes_after_the_bytes_and_is_told_once(thread: LoopThread) -> None:
    async def main() -> None:
        far_ear = Ear()
        near, far, ear = await joined(thread, far_ear)
        near.write([b"last words"])
        near.close()
        near.close()
        near.write([b"ignored"])
        await until(lambda: far_ear.reasons == ["eof"])
        assert far_ear.data == b"last words"
        thread.call(far.write, [b"ignored"])
        thread.call(far.close)
        await thread.run(asyncio.sleep(0))
        assert (bytes(ear.data), len(ear.reasons)) == (b"", 0)

    play(main())


def test_an_abort_drops_what_is_under_way() -> None:
    async def main() -> None:
        far_ear = Ear()
        near, _, _ = await joined(None, far_ear)
        near.write([b"never arrives"])
        near.close(abort=True)
        await until(lambda: far_ear.reasons == ["reset"])
        assert far_ear.data == b""

    play(main())


def test_a_pipe_to_a_loop_that_has_ended_reads_as_a_reset() -> None:
    async def main() -> None:
        thread = LoopThread("short").start()
        near, _, ear = await joined(thread, Ear())
        assert thread.stop()
        near.write([b"x"])
        await until(lambda: ear.reasons == ["reset"])

    play(main())
