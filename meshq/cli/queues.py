"""The options of ``meshq topics`` and ``meshq channels``. Imports nothing heavy; what is done is in ``cli.verbs``.

Decides the words: each verb is one command of either, with the names first and settings as NAME=VALUE.
"""

from __future__ import annotations

from typing import Annotated, Final

import typer

from meshq.cli.options import Json, Nodes
from meshq.machine.settings import CHANNEL, TOPIC, Setting

Topic = Annotated[str, typer.Argument(metavar="TOPIC", help="1 to 64 of a-z A-Z 0-9 . _ -")]
Channel = Annotated[str, typer.Argument(metavar="CHANNEL", help="Of that topic.")]
Given = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME=VALUE", help="A setting; nothing after the = takes it back."),
]
Asked = Annotated[
    list[str], typer.Argument(metavar="NAME=VALUE...", help="Settings; nothing after the = takes one back.")
]
OfTopic = Annotated[str, typer.Argument(metavar="[TOPIC]", help="Only the channels of this one.")]


def _epilog(what: str, table: dict[str, Setting]) -> str:
    given = "; ".join(f"{name} ({each.values.replace(';', ',')})" for name, each in table.items() if not each.verb)
    return f"Settings of a {what}: {given}."


_ABOUT: Final = {"rich_markup_mode": None, "no_args_is_help": False, "invoke_without_command": True}
topics = typer.Typer(help="Topics: what there is, and what may be done to them.", **_ABOUT)  # type: ignore[arg-type]
channels = typer.Typer(help="Channels: what there is, and what may be done to them.", **_ABOUT)  # type: ignore[arg-type]


@topics.callback()
def list_topics(context: typer.Context, node: Nodes = None, json: Json = False) -> None:
    """Topics, channels, who consumes them and how they are set; or, by a verb, change them on every node."""
    if context.invoked_subcommand is None:
        from meshq.cli.views import topics as command

        command(node, as_json=json)
    else:
        _check_order(node, as_json=json)


@topics.command("list")
def list_all_topics(node: Nodes = None, json: Json = False) -> None:
    """Topics, channels, who consumes them and how they are set."""
    from meshq.cli.views import topics as command

    command(node, as_json=json)


@topics.command("create", epilog=_epilog("topic", TOPIC))
def create_topic(topic: Topic, settings: Given = None, node: Nodes = None, json: Json = False) -> None:
    """Make a topic exist, and set it. One that exists is only set."""
    _do("create", node, topic, None, settings, as_json=json)


@topics.command("configure", epilog=_epilog("topic", TOPIC))
def configure_topic(topic: Topic, settings: Asked, node: Nodes = None, json: Json = False) -> None:
    """Set a topic, on every node."""
    _do("configure", node, topic, None, settings, as_json=json)


@topics.command("pause")
def pause_topic(topic: Topic, node: Nodes = None, json: Json = False) -> None:
    """Serve none of its channels until resume. Messages are accepted, what is in flight goes on."""
    _do("pause", node, topic, as_json=json)


@topics.command("resume")
def resume_topic(topic: Topic, node: Nodes = None, json: Json = False) -> None:
    """End a pause."""
    _do("resume", node, topic, as_json=json)


@topics.command("empty")
def empty_topic(topic: Topic, node: Nodes = None, json: Json = False) -> None:
    """Drop what the topic keeps for its first channel. With channels it keeps nothing: empty those."""
    _do("empty", node, topic, as_json=json)


@topics.command("delete")
def delete_topic(topic: Topic, node: Nodes = None, json: Json = False) -> None:
    """Delete a topic with its channels and all its messages, on every node."""
    _do("delete", node, topic, as_json=json)


@channels.callback()
def any_channels(context: typer.Context, node: Nodes = None, json: Json = False) -> None:
    """Channels with who consumes them and how they are set; or, by a verb, change them on every node."""
    if context.invoked_subcommand is None:
        list_channels("", node, json)
    else:
        _check_order(node, as_json=json)


@channels.command("list")
def list_channels(topic: OfTopic = "", node: Nodes = None, json: Json = False) -> None:
    """The channels of a topic, or of all."""
    from meshq.cli.views import channels as command

    command(node, topic, as_json=json)


@channels.command("create", epilog=_epilog("channel", CHANNEL))
def create_channel(
    topic: Topic, channel: Channel, settings: Given = None, node: Nodes = None, json: Json = False
) -> None:
    """Make a channel exist, with its topic, and set it. One that exists is only set."""
    _do("create", node, topic, channel, settings, as_json=json)


@channels.command("configure", epilog=_epilog("channel", CHANNEL))
def configure_channel(topic: Topic, channel: Channel, settings: Asked, node: Nodes = None, json: Json = False) -> None:
    """Set a channel, on every node."""
    _do("configure", node, topic, channel, settings, as_json=json)


@channels.command("pause")
def pause_channel(topic: Topic, channel: Channel, node: Nodes = None, json: Json = False) -> None:
    """Hand nothing out until resume. What is in flight goes on."""
    _do("pause", node, topic, channel, as_json=json)


@channels.command("resume")
def resume_channel(topic: Topic, channel: Channel, node: Nodes = None, json: Json = False) -> None:
    """End a pause."""
    _do("resume", node, topic, channel, as_json=json)


@channels.command("empty")
def empty_channel(topic: Topic, channel: Channel, node: Nodes = None, json: Json = False) -> None:
    """Drop what the channel has not finished, at every node."""
    _do("empty", node, topic, channel, as_json=json)


@channels.command("delete")
def delete_channel(topic: Topic, channel: Channel, node: Nodes = None, json: Json = False) -> None:
    """Delete a channel with what it has not finished, on every node."""
    _do("delete", node, topic, channel, as_json=json)


def _check_order(node: list[str] | None, *, as_json: bool) -> None:
    """What stands before the verb is for the list, and would be lost."""
    if node or as_json:
        raise typer.BadParameter("give --node and --json after the verb")


def _do(
    verb: str,
    node: list[str] | None,
    topic: str,
    channel: str | None = None,
    settings: list[str] | None = None,
    *,
    as_json: bool,
) -> None:
    from meshq.cli.verbs import do

    do(verb, node, topic, channel, settings or (), as_json=as_json)
