"""What the processes of a bench do: publish, consume, relay, measure; each function is one process's work.

``time.monotonic`` is one clock for all processes of a host, so times of one process can be taken from
those of another.
"""
