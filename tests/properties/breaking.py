"""Breaking rules on purpose: several patches at once, for as long as a context lasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch


@contextmanager
def patched(patches: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """Within it each of these objects has something else under that name."""
    with ExitStack() as stack:
        for kind, name, wrong in patches:
            stack.enter_context(patch.object(kind, name, wrong))
        yield
