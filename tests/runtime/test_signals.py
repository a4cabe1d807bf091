"""Both stopping signals become events, also where SIGINT was ignored, and the old handlers come back."""

from __future__ import annotations

import os
import signal

from meshq.runtime.signals import StopSignals
from tests.runtime.loops import play, until


def test_each_signal_sets_the_event_and_the_second_one_is_told_apart() -> None:
    async def main() -> None:
        with StopSignals() as signals:
            assert not signals.event.is_set()
            os.kill(os.getpid(), signal.SIGTERM)
            assert await signals.wait() is signal.SIGTERM
            assert not signals.again.is_set()
            os.kill(os.getpid(), signal.SIGINT)
            await until(signals.again.is_set)
            assert signals.last is signal.SIGINT

    play(main())


def test_a_terminal_that_is_closed_stops_once_however_often_it_says_so() -> None:
    async def main() -> None:
        with StopSignals() as signals:
            for count in (1, 2):
                os.kill(os.getpid(), signal.SIGHUP)
                await until(lambda count=count: signals.count == count)  # type: ignore[misc]
            assert await signals.wait() is signal.SIGHUP
            assert not signals.again.is_set()

    play(main())


def test_under_nohup_a_closed_terminal_stops_nothing() -> None:
    async def main() -> None:
        with StopSignals() as signals:
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert not signals.event.is_set()

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        play(main())
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_that_ignored_sigint_hears_it_inside_and_ignores_it_again_after() -> None:
    async def main() -> None:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            await signals.wait()
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        play(main())
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
