"""The commands and their options. Imports nothing heavy: ``meshq --help`` is read by people who wait for it.

Decides the words of the command line; what a command does is in the module that it imports.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from meshq.cli import bench, dlq, flags, keys, queues
from meshq.cli.options import Json, Nodes

app = typer.Typer(
    help="A messaging mesh for services: start a node with `meshq join`, then `meshq pub` and `meshq sub`.",
    epilog="Exit status: 0 done, 1 failed, 2 wrong use, 3 refused to start, 4 a promise was missed, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(bench.app, name="bench")
app.add_typer(queues.topics, name="topics")
app.add_typer(queues.channels, name="channels")

app.add_typer(dlq.app, name="dlq")
app.add_typer(keys.app, name="keys")

Topic = Annotated[str, typer.Argument(metavar="TOPIC", help="1 to 64 of a-z A-Z 0-9 . _ -")]
Channel = Annotated[str, typer.Argument(metavar="CHANNEL", help="Every channel of a topic gets every message.")]
Seeds = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SEED", help="Nodes to join: HOST, HOST:PORT or [IPV6]:PORT. None: a new mesh.", callback=flags.seeds
    ),
]
Name = Annotated[str, typer.Option(metavar="NAME", help="Unique name of the node. [default: host name and port]")]
Bind = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Address to listen on. [default: every loopback and private address]")
]
Port = Annotated[
    int | None, typer.Option(metavar="PORT", min=0, max=65535, help="Mesh port, UDP and TCP. [default: 4155]")
]
HttpPort = Annotated[int | None, typer.Option(metavar="PORT", min=0, max=65535, help="HTTP port. [default: 4151]")]
HttpNames = Annotated[
    list[str] | None,
    typer.Option(
        "--http-name", metavar="NAME", help="A further host name under which HTTP may be called; may be repeated."
    ),
]
Advertise = Annotated[str, typer.Option(metavar="HOST[:PORT]", help="The address that other nodes use.")]
Label = Annotated[
    str | None,
    typer.Option(
        metavar="LABEL", help="Meshes of different labels don't hear each other. [default: meshq]", callback=flags.label
    ),
]
Zone = Annotated[str, typer.Option(metavar="ZONE", help="Messages prefer consumers of the same zone.")]
Profile = Annotated[
    str,
    typer.Option(
        metavar="PROFILE", help="Timing of membership: lan, wan or local. [default: lan]", callback=flags.profile
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Listen on public addresses too.")]
Key = Annotated[
    str, typer.Option(metavar="FILE", help="The mesh's key file (`meshq keys generate`): nobody joins without it.")
]
Data = Annotated[
    str, typer.Option(metavar="DIR", help="Directory that keeps the node's messages. [default: one by user and port]")
]
Memory = Annotated[bool, typer.Option("--memory", help="Keep messages in memory only.")]
MemoryMax = Annotated[
    str,
    typer.Option(
        metavar="SIZE",
        help="Memory for messages; more stays on disk, or is refused. [default: 256MB]",
        callback=flags.size,
    ),
]
Level = Annotated[
    str,
    typer.Option(
        metavar="LEVEL",
        help="When a publish is confirmed: held in memory, on disk, or after fsync. [default: disk]",
        callback=flags.level,
    ),
]
DrainTimeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", min=0, help="Seconds to hand over what the node holds when it is stopped. [default: 25]"
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", envvar="MESHQ_CONFIG", metavar="FILE", help="A TOML file with settings.")
]


@app.command()
def join(
    seeds: Seeds = None,
    name: Name = "",
    bind: Bind = "",
    port: Port = None,
    http_port: HttpPort = None,
    http_name: HttpNames = None,
    advertise: Advertise = "",
    label: Label = None,
    zone: Zone = "",
    profile: Profile = "",
    open_: Open = False,
    key: Key = "",
    data: Data = "",
    memory: Memory = False,
    memory_max: MemoryMax = "",
    level: Level = "",
    drain_timeout: DrainTimeout = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Run a node until it is stopped.

    With seeds it joins their mesh and keeps trying until one answers; without any it starts a mesh and says
    how others join.
    """
    from meshq.cli.join import join as command

    given = _flags(seeds, name, bind, port, http_port, http_name, advertise, label, zone, open_, key, drain_timeout)
    given |= {"profile": profile} | _store_flags(data, memory, memory_max, level)
    raise typer.Exit(command(given, config, json_lines=json))


@app.command()
def config(
    seeds: Seeds = None,
    name: Name = "",
    bind: Bind = "",
    port: Port = None,
    http_port: HttpPort = None,
    http_name: HttpNames = None,
    advertise: Advertise = "",
    label: Label = None,
    zone: Zone = "",
    profile: Profile = "",
    open_: Open = False,
    key: Key = "",
    data: Data = "",
    memory: Memory = False,
    memory_max: MemoryMax = "",
    level: Level = "",
    drain_timeout: DrainTimeout = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Settings in force, and where each comes from.

    Flags go before MESHQ_* variables, these before the file, the file before the defaults.
    """
    from meshq.cli.views import config as command

    given = _flags(seeds, name, bind, port, http_port, http_name, advertise, label, zone, open_, key, drain_timeout)
    given |= {"profile": profile} | _store_flags(data, memory, memory_max, level)
    command(given, config, as_json=json)


@app.command()
def pub(
    topic: Topic,
    bodies: Annotated[
        list[str],
        typer.Argument(metavar="BODY", help="A message; a single - publishes each non-empty line of standard input."),
    ],
    node: Nodes = None,
    delay: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Seconds until the messages are delivered.")
    ] = 0.0,
    ttl: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Seconds after which nobody wants the messages any more.")
    ] = 0.0,
    publish_id: Annotated[
        str,
        typer.Option("--id", metavar="ID", help="A second publish with it, within the topic's window, adds nothing."),
    ] = "",
    key: Annotated[
        str, typer.Option(metavar="KEY", help="Ordering key: those of one key go out one at a time, in order.")
    ] = "",
    priority: Annotated[
        int, typer.Option(metavar="0-3", min=0, max=3, help="The higher goes first, most of the time.")
    ] = 0,
    level: Annotated[
        str,
        typer.Option(metavar="LEVEL", help="Durability: memory, disk or fsync; the topic's or node's unless given."),
    ] = "",
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Seconds to wait while the node is full.")
    ] = 5.0,
    json: Json = False,
) -> None:
    """Publish messages and say how many were confirmed."""
    from meshq.cli.pub import pub as command

    wishes = {"delay_s": delay, "ttl_s": ttl, "id": publish_id, "key": key, "priority": priority, "level": level}
    command(node, topic, bodies, wishes, timeout_s=timeout, as_json=json)


@app.command()
def sub(
    topic: Topic,
    channel: Channel,
    count: Annotated[int | None, typer.Option("-n", metavar="N", min=1, help="Stop after this many messages.")] = None,
    idle_exit: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="Stop after this many seconds without a message.")
    ] = None,
    max_in_flight: Annotated[int, typer.Option(metavar="N", min=1, help="Messages held at a time.")] = 1024,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="START", help="Where a new channel begins: earliest, latest, a time, or -10m."),
    ] = None,
    node: Nodes = None,
    json: Json = False,
) -> None:
    """Consume a channel, a line for each message.

    A message is finished after it is written; what was not written goes back to the channel. To take some only give
    -n: a reader that stops, as head does, has many more written to it. A terminal is shown escapes for what is no
    text; pipes get every byte, and --json every body whole.
    """
    from meshq.cli.sub import sub as command

    command(
        node, topic, channel, count=count, idle_s=idle_exit, max_in_flight=max_in_flight, start=start, json_lines=json
    )


@app.command()
def members(node: Nodes = None, json: Json = False) -> None:
    """The nodes of the mesh as one of them sees it."""
    from meshq.cli.views import members as command

    command(node, as_json=json)


@app.command()
def events(
    count: Annotated[int | None, typer.Option("-n", metavar="N", min=1, help="Stop after this many events.")] = None,
    node: Nodes = None,
    json: Json = False,
) -> None:
    """What happens in the mesh from now on, a line each.

    Members that join, are suspected, answer again, fail or leave; links, topics and channels; seeds, drains and the
    health of the store; as the node asked sees it. Ends with Ctrl-C.
    """
    from meshq.cli.watching import follow as command

    command(node, count=count, json_lines=json)


@app.command()
def stats(
    node: Nodes = None,
    local: Annotated[bool, typer.Option("--local", help="Only the node asked, not the whole mesh.")] = False,
    json: Json = False,
) -> None:
    """Messages by topic and channel, of the whole mesh."""
    from meshq.cli.views import stats as command

    command(node, local=local, as_json=json)


@app.command()
def peek(
    topic: Topic,
    channel: Annotated[
        str, typer.Argument(metavar="[CHANNEL]", help="None: what a topic without channels keeps for its first.")
    ] = "",
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="So many in flight, queued and deferred.")
    ] = 10,
    body: Annotated[bool, typer.Option("--body", help="Whole bodies, not their beginnings.")] = False,
    node: Nodes = None,
    json: Json = False,
) -> None:
    """Look at a channel's messages without taking any."""
    from meshq.cli.inside import peek as command

    command(node, topic, channel, limit=limit, whole=body, as_json=json)


@app.command()
def why(
    topic: Topic,
    channel: Annotated[str, typer.Argument(metavar="[CHANNEL]", help="None: all of them.")] = "",
    node: Nodes = None,
    json: Json = False,
) -> None:
    """Why messages are not delivered, and what to do."""
    from meshq.cli.inside import why as command

    command(node, topic, channel, as_json=json)


@app.command()
def drain(
    node: Nodes = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0, max=3600, help="How long it may take.")
    ] = 25.0,
    json: Json = False,
) -> None:
    """Have a node leave: it refuses publishes, hands what it holds to other nodes, and ends.

    Says to whom its messages went and how many stay behind; ends with 1 when any do.
    """
    from meshq.cli.drain import drain as command

    raise typer.Exit(command(node, timeout, as_json=json))


@app.command()
def demo(
    messages: Annotated[int, typer.Option(metavar="N", min=1000, help="How many to publish.")] = 20_000,
    json: Json = False,
) -> None:
    """Watch three nodes lose one and no message."""
    from meshq.demo import run

    raise typer.Exit(run(messages=messages, as_json=json))


@app.command()
def sim(
    scenario: Annotated[
        str,
        typer.Argument(metavar="SCENARIO", help="What happens; `all` for every scenario, --list says what there is."),
    ] = "mixed",
    nodes: Annotated[
        str | None,
        typer.Option(metavar="N", help="Nodes, or 5-16 for sizes in turn. [default: 5; of a measure: rows of all]"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Play this seed only, and tell how it went.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="How many seeds. [default: 20; of a measure: by row]"),
    ] = None,
    first: Annotated[int, typer.Option(metavar="N", min=1, help="The first of them.")] = 1,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes that play side by side. [default: one per core]")
    ] = None,
    draw: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw the seed, or the first that fails.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Of a measure: memberlist's profile beside ours, on the same seeds.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Of a measure: every size and many seeds, for hours.")] = False,
    row: Annotated[str, typer.Option(metavar="TITLE", help="Of a measure: rows whose title begins like this.")] = "",
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of a measure: draw it, .svg, .png or .pdf (needs meshq[plots])."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Say what each scenario and measure is for.")] = False,
    json: Json = False,
) -> None:
    """Play a simulated mesh through faults, and check what it promised; or measure its membership.

    Each seed is another course of faults in virtual time. The first that fails is made small and written down as a
    Python program. Exit status 4 when a promise was missed.
    """
    from meshq.cli import measure
    from meshq.cli import sim as command

    if list_:
        raise typer.Exit(command.scenarios(as_json=json))
    if scenario in measure.MEASURES:
        measure.refuse_of_scenarios(seed, draw)
        raise typer.Exit(
            measure.run(
                scenario, compare=compare, full=full, row=row, nodes=measure.size(nodes), seeds=seeds, first=first,
                jobs=jobs, plot=plot, as_json=json,
            )
        )  # fmt: skip
    measure.refuse_of_measures(compare, full, row, plot)
    raise typer.Exit(
        command.sim(
            scenario, nodes=command.sizes(nodes or "5"), seed=seed, seeds=seeds, first=first, jobs=jobs, draw=draw,
            as_json=json,
        )
    )  # fmt: skip


@app.command()
def version(json: Json = False) -> None:
    """The version of meshq."""
    from meshq.cli.views import version as command

    command(as_json=json)


def _flags(
    seeds: list[str] | None,
    name: str,
    bind: str,
    port: int | None,
    http_port: int | None,
    http_names: list[str] | None,
    advertise: str,
    label: str | None,
    zone: str,
    open_: bool,
    key: str,
    drain_timeout_s: float | None,
) -> dict[str, Any]:
    """What was given on the command line, under the names of the settings."""
    return {
        "seeds": seeds,
        "name": name,
        "bind": bind,
        "port": port,
        "http_port": http_port,
        "http_names": http_names,
        "advertise": advertise,
        "label": label,
        "zone": zone,
        "open": open_ or None,
        "key": key,
        "drain_timeout_s": drain_timeout_s,
    }


def _store_flags(data: str, memory: bool, memory_max: str, level: str) -> dict[str, Any]:
    """The same of what concerns the store."""
    from meshq.cli.storage import size_bytes

    return {
        "data": data,
        "memory": memory or None,
        "broker.memory_bytes_max": size_bytes(memory_max) if memory_max else None,
        "broker.level": level,
    }
