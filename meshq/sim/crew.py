"""Processes that play runs side by side: jobs go in, results come out as they are done.

Decides nothing about runs. What is still being played when nobody wants to know any more is ended at once, and so is
everything at Ctrl-C, which the processes themselves do not hear.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from multiprocessing import Process
from multiprocessing.connection import Connection, Pipe, wait
from types import TracebackType
from typing import Any, Generic, NamedTuple, TypeVar

from meshq.errors import MeshError

J = TypeVar("J")
R = TypeVar("R")
END_S = 2.0


class CrewFailed(MeshError):
    """A process ended while it played."""

    code = "CREW"


class _Hand(NamedTuple):
    """One process and the pipe to it."""

    process: Process
    pipe: Connection


class Crew(Generic[J, R]):
    """Up to ``count`` processes that do ``work``; with one, this process does it itself. Jobs and results are pickled.

    Raises CrewFailed when a process dies, because ``work`` raised in it or because somebody killed it.
    """

    def __init__(self, work: Callable[[J], R], count: int) -> None:
        self._work = work
        self._count = count
        self._idle: list[_Hand] = []
        self._busy: dict[Connection, tuple[_Hand, J]] = {}

    def __enter__(self) -> Crew[J, R]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end(self._idle)
        self._end_busy()

    def play(self, jobs: Iterable[J], *, until: Callable[[], bool] = lambda: False) -> Generator[tuple[J, R]]:
        """Each job with its result, in the order in which they are done; none any more once ``until()`` says so.

        A caller that stops asking (closes the iterator) ends what is still being played.
        """
        if self._count == 1:
            yield from ((job, self._work(job)) for job in jobs if not until())
            return
        waiting = iter(jobs)
        try:
            self._fill(waiting)
            while self._busy and not until():
                for pipe in wait(list(self._busy), timeout=0.1):
                    done = self._take(pipe)  # type: ignore[arg-type]
                    self._fill(waiting)
                    yield done
        finally:
            self._end_busy()

    def _fill(self, waiting: Iterator[J]) -> None:
        while len(self._busy) < self._count:
            for job in waiting:
                hand = self._idle.pop() if self._idle else self._hire()
                hand.pipe.send(job)
                self._busy[hand.pipe] = hand, job
                break
            else:
                return

    def _take(self, pipe: Connection) -> tuple[J, R]:
        hand, job = self._busy.pop(pipe)
        try:
            result = pipe.recv()
        except (EOFError, ConnectionResetError):
            hand.process.join()
            raise CrewFailed(f"a process ended with status {hand.process.exitcode} while it played {job}") from None
        self._idle.append(hand)
        return job, result

    def _hire(self) -> _Hand:
        ours, theirs = Pipe()
        process = Process(target=_labour, args=(self._work, theirs), daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))  # until it ignores it
        process.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        return _Hand(process, ours)

    def _end_busy(self) -> None:
        self._end([hand for hand, _ in self._busy.values()])
        self._busy.clear()

    def _end(self, hands: list[_Hand]) -> None:
        for hand in hands:
            hand.process.terminate()
        for hand in hands:
            hand.process.join(END_S)
            hand.pipe.close()
        hands.clear()


def _labour(work: Callable[[Any], Any], pipe: Connection) -> None:
    """What a process of the crew does until its pipe ends; a failure of ``work`` ends it with a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # what was imported stays: each run ends with a collection, which need not look at it
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            pipe.send(work(pipe.recv()))
