"""The ``meshq`` command: typer describes it, each command lives in a module of its own, imported when used."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script: run the command line and end the process with its exit status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; the exit status. Errors are said in one line on standard error."""
    from meshq.cli import exits
    from meshq.cli.app import app
    from meshq.errors import MeshError

    try:
        app(arguments, prog_name="meshq")
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else exits.FAILED
    except exits.Interrupted as exc:
        return exc.status
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except MeshError as exc:
        exits.complain(exc)
        return exits.status(exc)
    return exits.DONE
