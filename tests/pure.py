"""What of the tests is for the pure form alone.

Compiled code calls its own methods without looking them up: a rule that a test replaces, or a call that it watches,
goes on as it was. Such a test would fail, or see nothing and pass.
"""

from __future__ import annotations

from typing import Final

import pytest

from meshq.machine.form import COMPILED

pure_only: Final = pytest.mark.skipif(COMPILED, reason="replaces methods, which compiled code does not look up")
