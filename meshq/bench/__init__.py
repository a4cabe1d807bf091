"""Figures by hand: ``python -m meshq.bench throughput`` and ``latency``, with real processes on this host."""
