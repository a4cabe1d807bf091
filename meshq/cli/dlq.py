"""The options of ``meshq dlq``, and what its verbs print."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from meshq.cli.options import Json, Nodes

if TYPE_CHECKING:
    from meshq.client import DeadLetter, DeadLetters

T = TypeVar("T")
NEXT = "their channel is gone (`meshq channels create`, and again), or nobody can read them (`meshq dlq show`, `purge`)"

app = typer.Typer(
    help="Dead letters: what came back as often as its channel allows, or can't be read.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Topic = Annotated[str, typer.Argument(metavar="TOPIC", help="The topic that they were published to.")]
Channel = Annotated[str | None, typer.Argument(metavar="CHANNEL", help="Only what failed on this channel.")]
Limit = Annotated[int, typer.Option("-n", metavar="N", min=1, help="At most so many.")]


OfTopic = Annotated[
    str, typer.Argument(metavar="[TOPIC]", help="None: how many there are, of every topic that has any.")
]


@app.command("list")
def list_(
    topic: OfTopic = "", channel: Channel = None, limit: Limit = 100, node: Nodes = None, json: Json = False
) -> None:
    """A line for each dead letter of a topic, or for each topic that has any."""
    from meshq.cli import out

    if not topic:
        from meshq.cli.views import dead_letters

        dead_letters(node, as_json=json)
        return
    letters = _with(node, topic, channel, lambda found: found.list(limit))
    if json:
        out.document([_document(letter) for letter in letters])
    elif letters:
        out.table(
            ("ID", "CHANNEL", "REASON", "ATTEMPTS", "ORIGIN", "LAST ERROR", "DIED"),
            [
                (
                    each.id,
                    each.channel,
                    each.reason,
                    str(each.attempts),
                    each.origin,
                    each.last_error or "-",
                    _when(each.at_ns),
                )
                for each in letters
            ],
            right=["ATTEMPTS"],
            cut=("CHANNEL", "ORIGIN", "LAST ERROR"),
        )
    else:
        print(f"no dead letters of {_place(topic, channel)}")


@app.command()
def show(topic: Topic, channel: Channel = None, limit: Limit = 10, node: Nodes = None, json: Json = False) -> None:
    """Dead letters in full: what happened, headers, body."""
    from meshq.cli import out

    letters = _with(node, topic, channel, lambda found: found.list(limit))
    if json:
        out.document([_document(letter) for letter in letters])
        return
    for letter in letters:
        document = _document(letter)
        headers = document.pop("headers")
        for name, value in {
            **document,
            "died": _when(letter.at_ns),
            **{f"header {k}": v for k, v in headers.items()},
        }.items():
            print(f"{name.replace('_', ' '):<14}{value}")
        print()
    if not letters:
        print(f"no dead letters of {_place(topic, channel)}")


@app.command()
def redrive(topic: Topic, channel: Channel = None, node: Nodes = None, json: Json = False) -> None:
    """Send dead letters back to the channel that each failed on, and to no other."""
    from meshq.cli import out

    found = _with(node, topic, channel, lambda letters: letters.redrive())
    if json:
        out.document(asdict(found))
        return
    stay = f"; {found.left:,} stay: {NEXT}" if found.left else ""
    print(f"{found.sent:,} sent back{stay}")


@app.command()
def purge(topic: Topic, channel: Channel = None, node: Nodes = None, json: Json = False) -> None:
    """Throw dead letters away."""
    from meshq.cli import out

    count = _with(node, topic, channel, lambda letters: letters.purge())
    if json:
        out.document({"purged": count})
    else:
        print(f"{count:,} thrown away")


def _with(nodes: list[str] | None, topic: str, channel: str | None, verb: Callable[[DeadLetters], Awaitable[T]]) -> T:
    async def main() -> T:
        from meshq.client import connect
        from meshq.errors import MeshError

        async with connect(*client.addresses(nodes), key=client.key()) as mesh:
            letters = mesh.dead_letters(topic, channel)
            if not (await mesh.topics(topic) or await mesh.topics(letters.topic)):
                raise MeshError(f"there is no topic {topic} (`meshq topics` lists them)", code="NOT_FOUND")
            return await verb(letters)

    from meshq.cli import client

    return client.run(main)


def _document(letter: DeadLetter) -> dict[str, Any]:
    document = asdict(letter)
    body = document.pop("body")
    try:
        return {**document, "body": body.decode()}
    except UnicodeDecodeError:
        return {**document, "body_base64": base64.b64encode(body).decode()}


def _when(at_ns: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _place(topic: str, channel: str | None) -> str:
    return topic if channel is None else f"{topic}/{channel}"
