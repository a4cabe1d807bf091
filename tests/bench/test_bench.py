"""The benches, run small: that they measure what they say, not how fast."""

from __future__ import annotations

from meshq.bench.processes import latency, throughput
from meshq.bench.roles import quantiles_ms


def test_every_message_is_published_and_finished_once() -> None:
    figures = throughput(messages=5_000, size_bytes=200, batch=128, outstanding=8)
    assert figures["messages"] == figures["finished"] == 4_992
    assert figures["messages_per_s"] > 0


def test_times_are_of_single_messages_at_a_pace() -> None:
    figures = latency(messages=200, size_bytes=64, per_s=1000)
    assert figures["measured"] == 180
    assert 0 < figures["delivery"]["p50"] <= figures["delivery"]["p99"] <= figures["delivery"]["max"]


def test_quantiles_are_of_what_was_measured_in_milliseconds() -> None:
    assert quantiles_ms([each / 1000 for each in range(101)]) == {
        "p50": 50.0,
        "p99": 99.0,
        "p99_9": 100.0,
        "max": 100.0,
    }
