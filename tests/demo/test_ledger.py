"""The demo's own count: what it calls lost, and what it calls a duplicate."""

from __future__ import annotations

from meshq.demo.ledger import BODY_BYTES, Ledger, body, number
from meshq.demo.verdict import Verdict


def test_a_body_carries_its_number_in_a_fixed_size() -> None:
    assert [number(body(each)) for each in (0, 7, 19_999, 10**9)] == [0, 7, 19_999, 10**9]
    assert len(body(12)) == BODY_BYTES


def test_a_confirmed_message_that_one_channel_never_finished_is_outstanding() -> None:
    ledger = Ledger(3, ["a", "b"])
    ledger.publish(3)
    ledger.confirm([0, 1, 2], "x")
    ledger.channels["a"].finish([0, 1, 2])
    ledger.channels["b"].finish([0, 2])
    assert ledger.outstanding() == 1


def test_what_a_node_has_confirmed_itself_is_told_apart() -> None:
    ledger = Ledger(5, ["a", "b"])
    ledger.confirm([0, 1, 2], "x")
    ledger.confirm([3], "y")
    ledger.channels["a"].finish([0, 3])
    assert (ledger.outstanding_at("x"), ledger.outstanding_at("y"), ledger.outstanding_at("z")) == (5, 1, 0)
    assert ledger.outstanding() == 6


def test_a_message_that_was_never_confirmed_is_not_outstanding() -> None:
    ledger = Ledger(2, ["a"])
    ledger.publish(2)
    ledger.confirm([1], "x")
    ledger.channels["a"].finish([1])
    assert ledger.outstanding() == 0


def test_a_second_delivery_is_a_duplicate_and_finishing_twice_counts_once() -> None:
    ledger = Ledger(2, ["a"])
    channel = ledger.channels["a"]
    channel.deliver([0, 1])
    channel.deliver([1])
    channel.finish([1])
    channel.finish([1])
    assert (channel.seen, channel.duplicates, channel.finished) == (2, 1, 1)


def test_a_message_nobody_published_is_told_apart() -> None:
    channel = Ledger(1, ["a"]).channels["a"]
    channel.deliver([5])
    assert (channel.unknown, channel.seen) == (1, 0)


def verdict(**changes: object) -> Verdict:
    figures: dict[str, object] = {
        "published": 2,
        "confirmed": 2,
        "finished": {"a": 2},
        "lost": 0,
        "duplicates": 0,
        "redelivered": 0,
        "owed_at_kill": 0,
        "leases_back_s": 0.01,
        "rejoined_s": 0.2,
        "messages_per_s": 10.0,
        "seconds": 1.0,
    }
    return Verdict(**{**figures, **changes})  # type: ignore[arg-type]


def test_the_promise_is_kept_only_if_everything_was_confirmed_and_nothing_lost() -> None:
    assert verdict().kept
    assert not verdict(lost=1).kept
    assert not verdict(confirmed=1).kept
    assert not verdict(error="no node answered").kept
    assert not verdict(published=0, confirmed=0).kept


def test_what_never_happened_is_said_and_is_null_in_json() -> None:
    assert "(never)" in " ".join(verdict(leases_back_s=None).lines())
    assert verdict(leases_back_s=None).document()["leases_back_s"] is None
