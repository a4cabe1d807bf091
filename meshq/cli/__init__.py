"""The ``meshq`` command: typer describes it, each command lives in a module of its own, imported when used."""

from __future__ import annotations

import errno
import os
import sys
from typing import Final

UNWRITABLE: Final = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
STDERR: Final = 2
INTERRUPTED: Final = 130
"""Known here: Ctrl-C may come before the first import."""


def main() -> None:
    """The console script: run the command line and end the process with its exit status."""
    _hold_descriptors()
    sys.exit(run(sys.argv[1:]))


def _hold_descriptors() -> None:
    """Open what of 0 to 2 came closed, so that no socket takes its number: libuv would end the process for that."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(opened)


def run(arguments: list[str]) -> int:
    """Run one command line; the exit status. Errors are said in one line on standard error."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:  # also in the middle of the imports
        return INTERRUPTED


def _run(arguments: list[str]) -> int:
    from meshq.cli import exits
    from meshq.cli.app import app
    from meshq.errors import MeshError

    try:
        try:
            app(arguments, prog_name="meshq")
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else exits.FAILED
    except exits.Interrupted as exc:
        return exc.status
    except MeshError as exc:
        exits.complain(exc)
        return exits.status(exc)
    except OSError as exc:
        if exc.errno not in UNWRITABLE:
            raise
        return _unwritten(exc)
    return exits.DONE


def _unwritten(error: OSError) -> int:
    """Say so, unless the reader had enough, and drop what is buffered: the interpreter would fail on it at its end."""
    from meshq.cli import exits

    if error.errno != errno.EPIPE:
        print(f"meshq: can't write: {error.strerror}", file=sys.stderr)
    void = os.open(os.devnull, os.O_WRONLY)
    os.dup2(void, sys.stdout.fileno())
    os.close(void)
    return exits.FAILED
