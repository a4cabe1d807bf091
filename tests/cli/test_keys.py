"""``meshq keys`` as far as it needs no node: making keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meshq.cli import run
from meshq.cli.exits import REFUSED, WRONG_USE
from meshq.runtime.keyfile import read_key_file
from meshq.wire.keyring import PLAIN, read_key


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
