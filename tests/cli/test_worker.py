"""The thread for blocking calls: results and errors come back, and a call that hangs keeps nobody."""

from __future__ import annotations

import asyncio
import os

import pytest

from meshq.cli.worker import Worker, write_all


def test_results_come_back_in_order() -> None:
    async def main() -> list[int]:
        worker = Worker("test")
        return [await worker.call(lambda value=value: value * 2) for value in range(5)]  # type: ignore[misc]

    assert asyncio.run(main()) == [0, 2, 4, 6, 8]


def test_an_os_error_is_raised_where_the_call_was_awaited() -> None:
    async def main() -> None:
        reader, writer = os.pipe()
        os.close(reader)
        try:
            await Worker("test").call(lambda: write_all(writer, b"x"))
        finally:
            os.close(writer)

    with pytest.raises(BrokenPipeError):
        asyncio.run(main())


def test_a_call_that_hangs_can_be_left() -> None:
    reader, writer = os.pipe()

    async def main() -> None:
        async with asyncio.timeout(0.01):
            await Worker("test").call(lambda: os.read(reader, 1))

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    os.close(writer)


def test_everything_is_written_through_a_pipe_smaller_than_the_data() -> None:
    reader, writer = os.pipe()
    data = bytes(range(256)) * 4096
    got = bytearray()

    async def main() -> None:
        writing = asyncio.create_task(Worker("w").call(lambda: write_all(writer, data)))
        read = Worker("r")
        while len(got) < len(data):
            got.extend(await read.call(lambda: os.read(reader, 65_536)))
        await writing

    asyncio.run(main())
    os.close(reader)
    os.close(writer)
    assert bytes(got) == data
