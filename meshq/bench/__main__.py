"""The command line of the benches."""

from __future__ import annotations

import json as json_format
from typing import Annotated, Any

import typer

from meshq.bench import processes

app = typer.Typer(
    help="Figures by hand, with real processes on this host; ratios taken in one run compare, others don't.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Size = Annotated[int, typer.Option("--size", min=8, help="Bytes of a message.")]


@app.command()
def throughput(
    messages: Annotated[int, typer.Option(min=1)] = 2_000_000,
    size: Size = 200,
    batch: Annotated[int, typer.Option(min=1, help="Messages of one publish_many.")] = 128,
    outstanding: Annotated[int, typer.Option(min=1, help="Calls at a time.")] = 64,
    json: Json = False,
) -> None:
    """A producer, a node, a consumer by leases: messages/s from the first publish call to the last finish."""
    _print(processes.throughput(messages, size, batch, outstanding), json)


@app.command()
def latency(
    messages: Annotated[int, typer.Option(min=10)] = 10_000,
    size: Size = 200,
    per_s: Annotated[int, typer.Option("--per-s", min=1)] = 1000,
    json: Json = False,
) -> None:
    """Single messages at a steady pace: milliseconds from the call of publish to the message."""
    _print(processes.latency(messages, size, per_s), json)


def _print(figures: dict[str, Any], json: bool) -> None:
    if json:
        print(json_format.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        shown = ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else f"{value:,}"
        print(f"{name:>20}  {shown}")


if __name__ == "__main__":
    app(prog_name="python -m meshq.bench")
