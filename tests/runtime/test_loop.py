"""A loop in a thread of its own starts, takes work from other threads, and ends cleanly."""

from __future__ import annotations

import asyncio
import threading

import pytest

from meshq.errors import Closed
from meshq.runtime.loop import LoopThread, run
from tests.runtime.loops import play


async def where() -> str:
    return threading.current_thread().name


def test_work_runs_in_the_thread_and_its_result_comes_back() -> None:
    thread = LoopThread("node").start()
    try:
        assert thread.submit(where()).result(5) == "node"
        assert play(thread.run(where())) == "node"
    finally:
        assert thread.stop()
    assert not thread.running


def test_stopping_cancels_what_still_runs_and_lets_it_clean_up() -> None:
    cleaned = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    thread = LoopThread("node").start()
    begun = thread.submit(forever())
    thread.submit(where()).result(5)
    assert thread.stop()
    assert cleaned.is_set()
    assert begun.cancelled()


def test_an_ended_loop_takes_no_work_and_says_so() -> None:
    thread = LoopThread("node").start()
    thread.stop()
    assert thread.stop(), "stopping again is nothing"
    with pytest.raises(Closed):
        thread.submit(where())
    assert not thread.call(print)


def test_cancelling_the_waiter_cancels_the_work() -> None:
    cancelled = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def main(thread: LoopThread) -> None:
        waiter = asyncio.ensure_future(thread.run(forever()))
        await thread.run(where())
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        await asyncio.to_thread(cancelled.wait, 5)

    thread = LoopThread("node").start()
    play(main(thread))
    assert thread.stop()
    assert cancelled.is_set()


def test_run_returns_what_the_coroutine_returns() -> None:
    assert run(where()) == threading.current_thread().name
