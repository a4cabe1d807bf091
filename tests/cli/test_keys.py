"""``meshq keys``: making keys, and changing those of a real node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshq.cli import run
from meshq.cli.exits import FAILED, REFUSED, WRONG_USE
from meshq.launcher import Launcher, NodeProcess
from meshq.runtime.keyfile import new_key, read_key_file, write_key_file
from meshq.wire.keyring import PLAIN, Keyring, read_key


def test_a_key_is_printed_or_written_into_a_new_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "generate"]) == 0
    assert read_key(capfd.readouterr().out.strip())
    file = tmp_path / "keys"
    assert run(["keys", "generate", str(file), "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told == {"key": read_key_file(file).in_use.name, "file": str(file), "in_use": told["key"]}


def test_a_file_for_a_mesh_without_keys_sends_plain_first(tmp_path: Path) -> None:
    assert run(["keys", "generate", str(tmp_path / "keys"), "--plain"]) == 0
    ring = read_key_file(tmp_path / "keys")
    assert ring.in_use == PLAIN
    assert len(ring.keys) == 2


def test_no_key_is_written_over_another(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "keys")
    run(["keys", "generate", file])
    assert run(["keys", "generate", file]) == REFUSED
    assert "exists" in capfd.readouterr().err
    assert run(["keys", "generate", str(tmp_path / "no" / "keys")]) == REFUSED
    assert run(["keys", "generate", "--plain"]) == WRONG_USE


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NodeProcess, Path]]:
    """A node with a key file, which is the operator's too."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    write_key_file(file, Keyring([new_key()]))
    with Launcher() as launcher:
        yield launcher.start("a", arguments=["--key", str(file)]), file


def test_a_key_is_added_used_and_the_old_one_removed(
    sealed: tuple[NodeProcess, Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    node, file = sealed
    monkeypatch.setenv("MESHQ_NODE", node.mesh)
    old = read_key_file(file).in_use.name
    assert run(["keys", "add"]) == FAILED
    assert "over a sealed connection only" in capfd.readouterr().err
    monkeypatch.setenv("MESHQ_KEY", str(file))
    assert run(["keys", "add", "--json"]) == 0
    (have,) = json.loads(capfd.readouterr().out)["nodes"].values()
    new = have[-1]
    assert run(["keys", "remove", old]) == FAILED
    assert f"a still uses key {old}" in capfd.readouterr().err
    assert run(["keys", "use", new]) == 0
    assert f"key {new} is in use at 1 of 1 nodes" in capfd.readouterr().out
    assert run(["keys", "remove", old]) == 0
    assert f"key {old} is gone from 1 of 1 nodes" in capfd.readouterr().out
    assert read_key_file(file).in_use.name == new
    assert read_key_file(file).find(old) is None
    assert run(["keys", "use", old]) == FAILED
    assert f"a does not have key {old}" in capfd.readouterr().err
    assert run(["keys", "list"]) == 0
    assert new in capfd.readouterr().out


def test_keys_may_come_from_a_variable_and_a_given_one_is_added(
    sealed: tuple[NodeProcess, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    node, file = sealed
    more = Keyring([new_key()])
    write_key_file(tmp_path / "more", more)
    monkeypatch.setenv("MESHQ_KEYS", read_key_file(file).text())
    assert run(["keys", "add", str(tmp_path / "more"), "--node", node.mesh]) == 0
    assert f"key {more.in_use.name} is taken by 1 of 1 nodes" in capfd.readouterr().out
    monkeypatch.setenv("MESHQ_KEYS", "my-password")
    assert run(["keys", "list", "--node", node.mesh]) == WRONG_USE
    assert "password" not in capfd.readouterr().err
