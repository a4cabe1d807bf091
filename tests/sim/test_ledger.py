"""The ledger keeps what clients saw, and notices at once what contradicts itself."""

from __future__ import annotations

import pytest

from meshq.names import LogId
from meshq.sim.ledger import Ledger

LOG = LogId("n1", 1, 2, 1, 0)


@pytest.fixture
def ledger() -> Ledger:
    """Two channels, one with a full barrier at 1 s; a message sent before that and one after, both confirmed."""
    ledger = Ledger()
    ledger.subscribed(1.0, "orders", "billing", 5, 5)
    ledger.subscribed(1.0, "orders", "audit", 4, 5)
    ledger.sent(0.5, b"early", "orders", "n1")
    ledger.sent(1.5, b"late", "orders", "n1")
    ledger.confirmed(2.0, [b"early", b"late"], LOG, 1, "disk")
    return ledger


def test_what_is_owed_was_confirmed_and_sent_after_a_barrier_that_all_answered(ledger: Ledger) -> None:
    ledger.sent(1.6, b"never confirmed", "orders", "n1")
    ledger.sent(1.6, b"elsewhere", "clicks", "n1")
    ledger.confirmed(2.0, [b"elsewhere"], LOG, 1, "disk")
    assert [(message.name, channel) for message, channel in ledger.owed()] == [(b"late", "billing")]


def test_a_finished_message_is_owed_no_longer(ledger: Ledger) -> None:
    ledger.handed(b"late", "billing", LOG, 2)
    ledger.finished(3.0, b"late", "billing")
    assert ledger.owed() == []
    assert ledger.wrong == []


def test_a_message_that_nobody_published_is_wrong(ledger: Ledger) -> None:
    ledger.handed(b"strange", "billing", LOG, 9)
    assert "nobody published" in ledger.wrong[0]


def test_a_number_used_twice_is_wrong(ledger: Ledger) -> None:
    ledger.sent(2.5, b"other", "orders", "n1")
    ledger.confirmed(2.6, [b"other"], LOG, 2, "disk")
    assert "same number" in ledger.wrong[0]


def test_a_message_with_two_numbers_is_wrong(ledger: Ledger) -> None:
    ledger.handed(b"late", "billing", LOG, 3)
    assert "is also number 3" in ledger.wrong[0]


def test_a_second_hand_over_is_counted(ledger: Ledger) -> None:
    for channel in ("billing", "audit", "billing"):
        ledger.handed(b"late", channel, LOG, 2)
    assert ledger.counters.handed == 3
    assert ledger.counters.redelivered == 1


def test_only_the_first_contradictions_are_kept(ledger: Ledger) -> None:
    for number in range(100):
        ledger.handed(b"strange", "billing", LOG, number)
    assert len(ledger.wrong) == 20
