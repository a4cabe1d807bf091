"""The options of ``meshq bench``. Imports nothing heavy; what is run is in ``meshq.bench``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from meshq.cli.options import Json

app = typer.Typer(
    help="Figures of this host, with real processes. Ratios taken in one run compare, others only after calibration.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Level(StrEnum):
    """How safe a message is when its publish is confirmed."""

    memory = "memory"
    disk = "disk"
    fsync = "fsync"


class StoredLevel(StrEnum):
    """The levels that outlive a process."""

    disk = "disk"
    fsync = "fsync"


Size = Annotated[int, typer.Option(metavar="BYTES", min=8, help="Bytes of a message.")]
Batch = Annotated[
    int, typer.Option(metavar="N", min=1, max=65_536, help="Messages of one publish_many; 1: single calls of publish.")
]
Calls = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Calls outstanding at a time. [default: 64; 200 with --batch 1]"),
]
Messages = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="How many to publish. [default: what takes a few seconds]")
]
AtLevel = Annotated[Level, typer.Option("--level", help="The level at which a publish is confirmed.")]
Each = Annotated[bool, typer.Option("--each", help="Consumers take and finish message by message.")]
Sealed = Annotated[bool, typer.Option("--sealed", help="Links between the nodes are sealed, by a key made for it.")]
Runs = Annotated[int, typer.Option(metavar="N", min=1, help="How often it is run.")]
Plot = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Draw a page of plots: .svg, .png or .pdf (needs meshq[plots]).")
]


@app.command()
def throughput(
    messages: Messages = None,
    size: Size = 200,
    batch: Batch = 128,
    calls: Calls = None,
    level: AtLevel = Level.memory,
    runs: Runs = 3,
    each: Each = False,
    json: Json = False,
    plot: Plot = None,
) -> None:
    """Messages/s through one node.

    A publisher, a node and a consumer: from the first publish until the node counts all as finished.
    """
    from meshq.bench.throughput import Throughput

    _run(Throughput(*_load(2_000_000, messages, size, batch, calls, level, each)), runs, json, plot)


@app.command()
def latency(
    messages: Annotated[int, typer.Option(metavar="N", min=20, help="How many to publish.")] = 5_000,
    size: Size = 200,
    per_s: Annotated[int, typer.Option("--per-s", metavar="N", min=1, help="The pace.")] = 1000,
    level: AtLevel = Level.memory,
    nodes: Annotated[int, typer.Option(metavar="N", min=1, max=2, help="2: publish at one, consume at the other.")] = 1,
    sealed: Sealed = False,
    runs: Runs = 3,
    json: Json = False,
    plot: Plot = None,
) -> None:
    """From publish to the message, at a pace.

    Publisher and consumer are processes of their own; a bare relay between two processes is measured beside it.
    """
    from meshq.bench.latency import Latency

    _run(Latency(messages, size, per_s, level.value, nodes, sealed), runs, json, plot)


@app.command()
def mesh(
    messages: Messages = None,
    size: Size = 200,
    batch: Batch = 128,
    calls: Calls = None,
    level: AtLevel = Level.memory,
    runs: Runs = 3,
    each: Each = False,
    sealed: Sealed = False,
    json: Json = False,
    plot: Plot = None,
) -> None:
    """Messages/s through three nodes.

    In at the first, out at the two others, by one channel.
    """
    from meshq.bench.mesh import Mesh

    _run(Mesh(*_load(1_000_000, messages, size, batch, calls, level, each), sealed), runs, json, plot)


@app.command()
def fanout(
    messages: Messages = None,
    size: Size = 200,
    batch: Batch = 128,
    calls: Calls = None,
    level: AtLevel = Level.memory,
    channels: Annotated[int, typer.Option(metavar="N", min=1, max=100, help="Channels of the topic.")] = 10,
    runs: Runs = 3,
    each: Each = False,
    json: Json = False,
    plot: Plot = None,
) -> None:
    """Deliveries/s of a topic with many channels.

    Every message is delivered and finished once on each.
    """
    from meshq.bench.fanout import Fanout

    _run(Fanout(*_load(500_000, messages, size, batch, calls, level, each), channels), runs, json, plot)


@app.command()
def memory(
    messages: Annotated[int, typer.Option(metavar="N", min=1, help="Messages queued.")] = 1_000_000,
    size: Size = 200,
    batch: Annotated[int, typer.Option(metavar="N", min=2, help="Messages of one publish_many.")] = 128,
    level: AtLevel = Level.memory,
    consumers: Annotated[int, typer.Option(metavar="N", min=1, max=4000, help="Idle consumers.")] = 2000,
    memory_max: Annotated[
        float, typer.Option(metavar="MB", min=0, help="Memory for messages; what is above goes to disk. 0: as usual.")
    ] = 0,
    runs: Runs = 2,
    json: Json = False,
    plot: Plot = None,
) -> None:
    """Resident memory of a node.

    Three nodes in turn: with messages queued that came in batches, with messages that came singly, and with
    consumers that wait.
    """
    from meshq.bench.memory import Memory

    _run(Memory(messages, size, batch, level.value, consumers, int(memory_max * 1_000_000)), runs, json, plot)


@app.command()
def failover(
    messages: Annotated[int, typer.Option(metavar="N", min=300, help="How many to publish.")] = 30_000,
    size: Size = 200,
    per_s: Annotated[int, typer.Option("--per-s", metavar="N", min=30, help="The pace of all together.")] = 5000,
    level: AtLevel = Level.memory,
    runs: Runs = 3,
    json: Json = False,
    plot: Plot = None,
) -> None:
    """One of three nodes killed under load.

    The longest pause of the others, what is lost and what comes twice. With --level disk or fsync the killed node is
    started again on its data. Exit status 4 when a message was lost that a surviving node had confirmed, or, with
    these levels, any node.
    """
    from meshq.bench.failover import Failover

    _run(Failover(messages, size, per_s, level.value), runs, json, plot)


@app.command()
def backlog(
    messages: Messages = None,
    size: Size = 200,
    batch: Batch = 128,
    calls: Calls = None,
    level: Annotated[StoredLevel, typer.Option("--level", help="The level at which a publish is confirmed.")] = (
        StoredLevel.disk
    ),
    runs: Runs = 1,
    json: Json = False,
    plot: Plot = None,
) -> None:
    """Millions of messages on disk, then consumed.

    5,000,000 unless --messages says otherwise: published while nobody consumes, consumed, and both once more. The
    node's memory throughout, messages/s in and out, and whether the file's space is used again.
    """
    from meshq.bench.backlog import Backlog

    count, *_ = _load(5_000_000, messages, size, batch, calls, Level(level.value), each=False)
    _run(Backlog(count, size, batch, calls or _calls(batch), level.value), runs, json, plot)


@app.command()
def crash(
    rounds: Annotated[int, typer.Option(metavar="N", min=1, help="How many rounds.")] = 10,
    first: Annotated[int, typer.Option("--from", metavar="ROUND", min=1, help="The first of them.")] = 1,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="What all chance comes from. [default: a new one, printed]")
    ] = None,
    level: Annotated[StoredLevel, typer.Option("--level", help="The level at which a publish is confirmed.")] = (
        StoredLevel.disk
    ),
    json: Json = False,
) -> None:
    """Nodes killed with -9 under full load, and what is lost.

    A round is three nodes on data directories of their own. Three times, at random moments, the origin, a node of
    consumers, or both are killed and started again; then every message that was confirmed must be finished on every
    channel. Exit status 4 when one is not.
    """
    from random import SystemRandom

    from meshq.bench.crash.round import Work
    from meshq.bench.crash.run import run

    chosen = SystemRandom().randrange(1_000_000) if seed is None else seed
    work = Work(level.value, size_bytes=200, batch=128, calls=16)
    raise typer.Exit(run(work, seed=chosen, numbers=range(first, first + rounds), as_json=json))


@app.command()
def detection(
    nodes: Annotated[int, typer.Option(metavar="N", min=3, help="Processes of each.")] = 50,
    runs: Annotated[int, typer.Option(metavar="N", min=1, help="How often each accident happens.")] = 10,
    seed: Annotated[int, typer.Option(metavar="N", help="Who is hurt.")] = 1,
    json: Json = False,
) -> None:
    """How soon all know of a death, beside kinship.

    Members that do nothing else, a process each. One is killed with -9, or stopped, and the clock runs until the last
    of the others knows it. Exit status 4 when kinship is here and sooner.
    """
    from meshq.bench.detection import run

    raise typer.Exit(run(nodes=nodes, runs=runs, seed=seed, as_json=json))


@app.command()
def goals(
    quick: Annotated[bool, typer.Option("--quick", help="One run of each, most with a fifth of the messages.")] = False,
    json: Json = False,
) -> None:
    """All figures beside their goals.

    Medians of five runs by the benches above, for a host of two cores at rest; a quarter of an hour, of which queued
    messages and the backlog take the half. Exit status 4 when a goal is missed.
    """
    from meshq.bench.goals import RUNS, run
    from meshq.bench.goals import goals as rows

    raise typer.Exit(run(rows(quick=quick), runs=1 if quick else RUNS, as_json=json))


@app.command()
def compare(
    messages: Annotated[int, typer.Option(metavar="N", min=1, help="How many to publish.")] = 400_000,
    size: Size = 200,
    batch: Batch = 128,
    calls: Calls = None,
    runs: Runs = 5,
    json: Json = False,
    plot: Plot = None,
) -> None:
    """Ratios with other brokers that are here.

    The same work through meshq at levels memory and disk, NATS (core and JetStream) and Redis Streams, in turn, as
    far as they are installed.
    """
    from meshq.bench.compare import Compare, run

    work = Compare(messages, size, batch, calls or _calls(batch))
    raise typer.Exit(run(work, runs=runs, as_json=json, plot=plot))


def _run(bench: Any, runs: int, json: bool, plot: Path | None) -> None:
    from meshq.bench.show import run

    raise typer.Exit(run(bench, runs=runs, as_json=json, plot=plot))


def _load(
    usual: int, messages: int | None, size: int, batch: int, calls: int | None, level: Level, each: bool
) -> tuple[int, int, int, int, str, bool]:
    """What is published; without --messages so many as take a few seconds. Slow ways get fewer."""
    if messages is not None and messages < batch:
        raise typer.BadParameter(f"at least one batch is published: {batch} or more", param_hint="'--messages'")
    calls = calls or _calls(batch)
    if batch == 1:
        usual = min(usual // 5, max(10_000, calls * 2_000))
    elif each:
        usual //= 4
    return max(messages or usual, batch), size, batch, calls, level.value, each


def _calls(batch: int) -> int:
    return 200 if batch == 1 else 64
