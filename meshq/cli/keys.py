"""The options of ``meshq keys``. Imports nothing heavy; what is done is in ``cli.rotation``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="The keys of the mesh: make one, see who has which, rotate them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output on standard output.")]


@app.command()
def generate(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A new key file, which only its owner can read. None: print the key."),
    ] = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="For a mesh without keys: go on without until `meshq keys use` says otherwise."),
    ] = False,
    json: Json = False,
) -> None:
    """Make a key. Every node of a mesh needs it: copy the file to their hosts, over a way that you trust."""
    from meshq.cli.rotation import generate as command

    command(file, plain=plain, as_json=json)
