"""Whether this meshq is plain Python or was compiled (docs/performance.md); both are one source and do the same."""

from __future__ import annotations

from typing import Final

from meshq.machine import timers

COMPILED: Final = not timers.__file__.endswith(".py")
"""The compiled modules come all together: any of them tells."""
FORM: Final = "compiled" if COMPILED else "pure Python"
