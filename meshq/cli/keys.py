"""The options of ``meshq keys``. Imports nothing heavy; what is done is in ``cli.rotation``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshq.cli.options import Json, Nodes

app = typer.Typer(
    help="The keys of the mesh: make one, see who has which, rotate them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

KeyFile = Annotated[
    str,
    typer.Option(
        "--key",
        metavar="FILE",
        help="The mesh's key file: who changes keys has one. [default: $MESHQ_KEY, $MESHQ_KEYS]",
    ),
]
Name = Annotated[str, typer.Argument(metavar="KEY", help="Its name, as `meshq keys list` shows it; or plain.")]


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


@app.command("list")
def list_(key: KeyFile = "", node: Nodes = None, json: Json = False) -> None:
    """Which node has which keys, and which it seals with."""
    from meshq.cli.rotation import list_ as command

    command(key, node, as_json=json)


@app.command()
def add(
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="A key file with one key, - for standard input. None: a new key.")
    ] = "",
    key: KeyFile = "",
    node: Nodes = None,
    json: Json = False,
) -> None:
    """Give every node one more key: first step of a rotation. What is sealed with it is taken from now on."""
    from meshq.cli.rotation import add as command

    command(file, key, node, as_json=json)


@app.command()
def use(name: Name, key: KeyFile = "", node: Nodes = None, json: Json = False) -> None:
    """Have every node seal with a key: second step. Refused unless all of them have it."""
    from meshq.cli.rotation import use as command

    command(name, key, node, as_json=json)


@app.command()
def remove(name: Name, key: KeyFile = "", node: Nodes = None, json: Json = False) -> None:
    """Have every node forget a key, or plain: last step. Refused while one of them uses it."""
    from meshq.cli.rotation import remove as command

    command(name, key, node, as_json=json)
