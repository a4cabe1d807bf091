"""Windows of counters: each packet once, in any order, and bounded by senders."""

from __future__ import annotations

import random

from meshq.wire.replay import WINDOW, Windows


def nonce(counter: int, start: bytes = b"8 bytes.") -> bytes:
    return start + counter.to_bytes(4, "big")


def test_a_packet_is_taken_once() -> None:
    windows = Windows(10)
    assert [windows.take(nonce(n)) for n in (5, 5, 6, 5, 6, 9, 7, 8, 7)] == [
        True, False, True, False, False, True, True, True, False,
    ]  # fmt: skip


def test_packets_may_overtake_each_other_within_the_window_and_older_ones_are_refused() -> None:
    windows = Windows(10)
    assert windows.take(nonce(WINDOW))
    assert windows.take(nonce(1))
    assert not windows.take(nonce(1))
    assert not windows.take(nonce(0))
    assert windows.take(nonce(10 * WINDOW))
    assert not windows.take(nonce(WINDOW))


def test_senders_are_told_apart_and_the_one_heard_least_recently_is_forgotten_first() -> None:
    windows, starts = Windows(2), [bytes([n]) * 8 for n in range(3)]
    assert all(windows.take(nonce(1, start)) for start in starts[:2])
    assert not windows.take(nonce(1, starts[0]))
    assert windows.take(nonce(1, starts[2]))
    assert len(windows) == 2
    assert not windows.take(nonce(1, starts[0]))
    assert windows.take(nonce(1, starts[1]))


def test_it_agrees_with_a_plain_set_of_what_came() -> None:
    rng, windows = random.Random(7), Windows(10)
    seen: set[int] = set()
    highest = 0
    for _ in range(20_000):
        counter = max(0, highest + rng.randrange(-3000, 40))
        expected = counter not in seen and (not seen or counter > highest - WINDOW)
        assert windows.take(nonce(counter)) is expected
        seen.add(counter)
        highest = max(highest, counter)
