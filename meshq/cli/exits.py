"""How a command ends: its exit status and the one line that says why.

Decides which status an error becomes. Nothing here prints a traceback: what is unforeseen does that by
itself, and is a bug.
"""

from __future__ import annotations

import sys
from typing import Final

from meshq.errors import ConfigError, Fenced, InvalidMessage, InvalidName, MeshError, Unreachable

DONE: Final = 0
FAILED: Final = 1
WRONG_USE: Final = 2
REFUSED: Final = 3
"""The node refused to start."""
MISSED: Final = 4
"""A promised figure or invariant was missed."""
LOG_LINES_MAX: Final = 12
"""Of a node's log that an error brings along."""


class Interrupted(Exception):
    """A client command was told to end by a signal; ``status`` is 128 plus its number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


class Refused(MeshError):
    """The node did not start: a port is taken, an address can't be had, a name is in use."""

    code = "REFUSED"


class WrongUse(MeshError):
    """What was asked for on the command line makes no sense."""

    code = "USAGE"


def status(error: MeshError) -> int:
    """The exit status that an error becomes."""
    match error:
        case Refused() | ConfigError() | Fenced():
            return REFUSED
        case InvalidName() | InvalidMessage() | WrongUse():
            return WRONG_USE
    return FAILED


def complain(error: MeshError) -> None:
    """One line on standard error: what went wrong and what to do next; below it the end of a log, if it brings one."""
    first, *rest = str(error).splitlines() or [type(error).__name__]
    print(f"meshq: {first}{_next_step(error)}", file=sys.stderr)
    for line in rest[-LOG_LINES_MAX:]:
        print(f"    {line}", file=sys.stderr)


def _next_step(error: MeshError) -> str:
    if isinstance(error, Unreachable):
        return "\n  start a node with `meshq join`, or name one with --node HOST[:PORT] or MESHQ_NODE"
    return ""
