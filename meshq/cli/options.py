"""Options that mean the same in every command that speaks to a node."""

from __future__ import annotations

from typing import Annotated

import typer

Nodes = Annotated[
    list[str] | None,
    typer.Option(
        "--node",
        metavar="HOST[:PORT]",
        help="The node to speak to; may be repeated. [default: $MESHQ_NODE or localhost]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output on standard output.")]
