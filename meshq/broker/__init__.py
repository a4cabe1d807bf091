"""Topics, channels, logs and credit: who holds which message, and who may get it next.

``broker.broker`` composes the machine. As origin a node owns ``topic``, ``log``, ``channel``, ``cursor``
and lends through ``borrower``; as receiver it has a ``receiver`` per channel, which grants ``credit`` to each
``source`` and hands extents to its ``consumers``. The rules (O1 to O7, R1 to R8) are those of the credit
protocol, drawn in ``docs/protocol.md``.
"""
