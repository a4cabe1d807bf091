"""The durable store of one node: SQLite in a data directory of its own.

``folder`` says where it is and who has it, ``schema`` how rows lie in the file, ``opening`` what a start finds there;
``writer`` and ``reader`` are the two threads that use it while the node runs, ``store`` is what the host talks to.
"""

from __future__ import annotations
