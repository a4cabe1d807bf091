"""Every command against real nodes: what it prints, as a table and as JSON, and its exit status.

The nodes are processes; the commands run in this one, so that what they write is captured at the descriptors.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from meshq.cli import run
from meshq.launcher import Launcher, NodeProcess

TOPICS = (f"topic-{number}" for number in count())


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[NodeProcess]]:
    with Launcher() as launcher:
        yield launcher.start_mesh("cli-1", "cli-2")


@pytest.fixture
def node(nodes: list[NodeProcess], monkeypatch: pytest.MonkeyPatch) -> NodeProcess:
    monkeypatch.setenv("MESHQ_NODE", nodes[0].mesh)
    return nodes[0]


@pytest.fixture
def topic() -> str:
    return next(TOPICS)


def test_a_published_message_is_confirmed_and_read_by_a_consumer_at_the_other_node(
    node: NodeProcess, nodes: list[NodeProcess], topic: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["pub", topic, "hello", "wörld"]) == 0
    assert capfd.readouterr().out == "2 confirmed, held in memory only\n"
    assert run(["sub", topic, "c", "-n", "2", "--node", nodes[1].mesh]) == 0
    assert sorted(capfd.readouterr().out.splitlines()) == ["hello", "wörld"]


def test_sub_takes_no_more_than_it_was_asked_for_and_leaves_the_rest(
    node: NodeProcess, topic: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run(["pub", topic, *map(str, range(10))])
    capfd.readouterr()
    assert run(["sub", topic, "c", "-n", "4"]) == 0
    first = capfd.readouterr().out.splitlines()
    assert run(["sub", topic, "c", "-n", "6"]) == 0
    rest = capfd.readouterr().out.splitlines()
    assert len(first) == 4
    assert sorted(first + rest) == sorted(map(str, range(10)))


def test_sub_ends_when_nothing_comes(node: NodeProcess, topic: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["sub", topic, "c", "--idle-exit", "0.05"]) == 0
    assert capfd.readouterr().out == ""


def test_sub_writes_bytes_as_they_are_and_json_tells_text_from_bytes(
    node: NodeProcess, topic: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    run(["pub", topic, os.fsdecode(b"\xff\x01x"), "text", "--json"])
    capfdbinary.readouterr()
    assert run(["sub", topic, "plain", "-n", "2"]) == 0
    assert sorted(capfdbinary.readouterr().out.splitlines()) == [b"text", b"\xff\x01x"]
    assert run(["sub", topic, "lines", "--idle-exit", "0.05", "--json"]) == 0
    run(["pub", topic, os.fsdecode(b"\xff"), "more"])
    capfdbinary.readouterr()
    assert run(["sub", topic, "lines", "-n", "2", "--json"]) == 0
    documents = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert {document.get("body") or document["body_base64"] for document in documents} >= {"more", "/w=="}
    assert all(len(document["id"]) == 16 and document["attempts"] == 1 for document in documents)


def test_a_terminal_is_shown_escapes_where_a_body_would_command_it(node: NodeProcess, topic: str) -> None:
    run(["pub", topic, "a\tred \x1b[31m wörld"])
    near, far = os.openpty()
    subprocess.run([sys.executable, "-m", "meshq", "sub", topic, "c", "-n", "1"], stdout=far, check=True)
    assert os.read(near, 4096).decode() == "a\tred \\x1b[31m wörld\r\n"
    os.close(far)
    os.close(near)


def test_pub_counts_what_it_published_and_what_it_left_out(node: NodeProcess, topic: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "meshq", "pub", topic, "-", "--json"],
        input=b"one\n\ntwo\n\n\nlast without newline",
        capture_output=True,
        check=False,
    )
    told = json.loads(done.stdout)
    assert (done.returncode, told["confirmed"], told["empty"], told["level"]) == (0, 3, 3, "memory")


def test_a_large_input_arrives_whole(node: NodeProcess, topic: str) -> None:
    lines = b"".join(b"line %d\n" % number for number in range(30_000))
    command = [sys.executable, "-m", "meshq"]
    subprocess.run([*command, "pub", topic, "-"], input=lines, capture_output=True, check=True)
    read = subprocess.run([*command, "sub", topic, "c", "-n", "30000"], capture_output=True, check=True)
    assert sorted(read.stdout.splitlines()) == sorted(lines.splitlines())


def test_a_reader_that_has_enough_ends_sub_without_an_error(node: NodeProcess, topic: str) -> None:
    run(["pub", topic, *(["x" * 1000] * 300)])
    script = f"{sys.executable} -m meshq sub {topic} c | head -n 1 | wc -c; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False, timeout=20)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, b"1001", b"")


def test_an_output_that_is_full_is_one_clear_line_and_what_was_not_written_goes_back(
    node: NodeProcess, topic: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run(["pub", topic, "kept"])
    for words in ("members", f"sub {topic} c -n 1"):
        script = f"exec {sys.executable} -m meshq {words} > /dev/full"
        done = subprocess.run(["bash", "-c", script], capture_output=True, check=False, timeout=20)
        assert done.returncode == 1
        assert done.stderr == b"meshq: can't write: No space left on device\n"
    capfd.readouterr()
    assert run(["sub", topic, "c", "-n", "1"]) == 0
    assert capfd.readouterr().out == "kept\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [("members >&-", 0), ("members <&- >&- 2>&-", 0), ("pub {} - <&-", 0), ("sub {} c -n 1 >&-", 1)],
)
def test_a_descriptor_that_is_closed_ends_no_command_by_a_crash(
    node: NodeProcess, topic: str, words: str, status: int
) -> None:
    run(["pub", topic, "kept"])
    script = f"exec {sys.executable} -m meshq {words.format(topic)}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False, timeout=20)
    assert done.returncode == status
    assert b"Traceback" not in done.stderr


def test_members_topics_and_stats_as_json(node: NodeProcess, topic: str, capfd: pytest.CaptureFixture[str]) -> None:
    run(["pub", topic, "x"])
    run(["sub", topic, "c", "--idle-exit", "0.05"])
    capfd.readouterr()
    assert run(["members", "--json"]) == 0
    assert {member["name"]: member["state"] for member in json.loads(capfd.readouterr().out)} == {
        "cli-1": "alive",
        "cli-2": "alive",
    }
    assert run(["topics", "--json"]) == 0
    found = {entry["topic"]: entry for entry in json.loads(capfd.readouterr().out)}
    assert [channel["channel"] for channel in found[topic]["channels"]] == ["c"]
    assert run(["stats", "--json"]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert sorted(answer["nodes"]) == ["cli-1", "cli-2"]
    assert answer["missing"] == []


def test_members_topics_and_stats_as_tables(node: NodeProcess, topic: str, capfd: pytest.CaptureFixture[str]) -> None:
    run(["pub", topic, "x"])
    capfd.readouterr()
    assert run(["members"]) == 0
    said = capfd.readouterr().out
    header, _, first, second, *_ = said.splitlines()
    assert header.split() == ["NODE", "STATE", "SINCE", "RTT", "LAG", "INC", "EPOCH", "MESH"]
    assert first.split()[:2] == ["cli-1", "alive"]
    assert " self " in first
    assert node.mesh in first
    assert second.split()[:2] == ["cli-2", "alive"]
    assert max(map(len, said.splitlines())) <= 100
    assert run(["topics"]) == 0
    assert "keeps its messages until it has a channel" in capfd.readouterr().out
    assert run(["stats"]) == 0
    said = capfd.readouterr().out
    assert "no channel yet" in said
    assert "2 nodes" in said
    assert run(["stats", "--local"]) == 0
    assert "1 node," in capfd.readouterr().out


def test_members_as_json_say_what_is_known_of_each(node: NodeProcess, capfd: pytest.CaptureFixture[str]) -> None:
    """The other one answers a ping within a second or two of its start."""
    other: dict[str, object] = {}
    while other.get("rtt_ms") is None:
        assert run(["members", "--json"]) == 0
        mine, other = json.loads(capfd.readouterr().out)
    assert (mine["self"], mine["lag_ms"], mine["rtt_ms"]) == (True, 0, None)
    assert (other["self"], other["lag_ms"], other["state"], other["incarnation"]) == (False, 0, "alive", 0)
    assert isinstance(other["rtt_ms"], float)
    assert mine["http_port"] == int(node.http.rpartition(":")[2])


@pytest.mark.parametrize("as_json", [True, False])
def test_events_tell_what_happens_until_they_are_interrupted(node: NodeProcess, topic: str, as_json: bool) -> None:
    command = [sys.executable, "-m", "meshq", "events", *(["--json"] if as_json else []), "--node", node.mesh]
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert watcher.stdout is not None
    assert watcher.stderr is not None
    os.set_blocking(watcher.stdout.fileno(), False)
    line, number = b"", 0
    while topic.encode() not in line:  # it may not watch yet when the first topic is made
        assert run(["topics", "create", f"{topic}-{number}"]) == 0
        line, number = watcher.stdout.readline() or b"", number + 1
    if as_json:
        event = json.loads(line)
        assert (event["event"], event["generation"]) == ("TopicCreated", 1)
        assert event["at"] > 0
    else:
        assert line.endswith(b" created\n")
    watcher.send_signal(signal.SIGINT)
    os.set_blocking(watcher.stdout.fileno(), True)
    assert watcher.wait(20) == 130
    assert watcher.stderr.read() == b""
    watcher.stdout.close()
    watcher.stderr.close()


def test_config_says_where_each_value_comes_from(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("MESHQ_ZONE", "east")
    assert run(["config", "--port", "5000", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["port"] == {"value": 5000, "source": "flag"}
    assert found["zone"] == {"value": "east", "source": "MESHQ_ZONE"}
    assert run(["config"]) == 0
    assert "MESHQ_ZONE" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["pub", "bad topic", "x"], 2, "'bad topic' is no topic name"),
        (["pub", "t", ""], 2, "at least one byte"),
        (["sub", "t", "bad channel"], 2, "is no channel name"),
        (["nonsense"], 2, "No such command"),
        (["join", "--port", "99999"], 2, "--port"),
        (["config", "--config", "/nonexistent/file"], 3, "can't read /nonexistent/file"),
        (["members", "--node", "127.0.0.1:1"], 1, "start a node with `meshq join`"),
        (["pub", "t", "x", "--node", "nosuch.invalid"], 1, "nosuch.invalid"),
        (["join", "--bind", "8.8.8.8"], 3, "public address"),
        (["join", "--port", "4777", "--http-port", "4777"], 3, "--port and --http-port are the same"),
        (["join", "--label", ""], 2, "a label has 1 to 64 characters"),
        (["join", "--memory-max", "5"], 3, "less than one message may have: give at least 1,048,576"),
        (["join", "--memory-max", "10XB"], 2, "'10XB' is no size: write 64MB"),
        (["join", "--level", "foo"], 2, "'foo' is no level: give memory, disk, fsync"),
        (["config", "--profile", "moon"], 2, "no membership profile 'moon': give one of lan, wan, local"),
        (["join", "http://localhost:14155"], 2, "leave out http://"),
        (["pub", "t", "x", "--level", "foo"], 2, "--level foo: give memory, disk, fsync"),
        (["sub", "t", "c", "--max-in-flight", "999999999"], 2, "max_in_flight"),
        (["join", "--name", "not a name", "--port", "0"], 2, "is no node name"),
    ],
)
def test_an_error_is_one_clear_line_and_a_status(
    node: NodeProcess, arguments: list[str], status: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == status
    captured = capfd.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_port_that_was_asked_for_and_is_taken_is_refused(
    node: NodeProcess, capfd: pytest.CaptureFixture[str]
) -> None:
    for flag, taken in (("--port", node.mesh), ("--http-port", node.http)):
        assert run(["join", "--bind", "127.0.0.1", flag, taken.rpartition(":")[2]]) == 3
        assert f"is taken ({taken}): ask for another with {flag}" in capfd.readouterr().err


def test_a_name_that_is_in_use_is_refused_with_its_holder(
    node: NodeProcess, nodes: list[NodeProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--bind", "127.0.0.1", "--port", "0", "--http-port", "0"]
    assert run(["join", nodes[1].mesh, "--name", "cli-1", *arguments]) == 3
    assert f"name 'cli-1' is in use by {node.mesh}" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--label", "other"], "this mesh has the label 'meshq', yours is 'other': give both the same"),
        (["--key", "FILE"], "this node has none: leave --key (MESHQ_KEY) out, or start it with one too"),
    ],
)
def test_a_node_that_its_seed_refuses_ends_with_the_reason_and_what_to_do(
    node: NodeProcess, flags: list[str], why: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    keys = tmp_path / "mesh.keys"
    assert run(["keys", "generate", str(keys)]) == 0
    arguments = ["--bind", "127.0.0.1", "--port", "0", "--http-port", "0", "--memory"]
    capfd.readouterr()
    assert run(["join", node.mesh, *arguments, *(str(keys) if flag == "FILE" else flag for flag in flags)]) == 3
    said = capfd.readouterr()
    assert f"meshq: seed {node.mesh} refuses this node and says: " in said.err
    assert why in said.err
    assert "is ready" not in said.out
