"""Key files: whose eyes they are for, and that a change of one is all or nothing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from meshq.errors import ConfigError
from meshq.runtime.keyfile import new_key, read_key_file, write_key_file
from meshq.wire.keyring import Keyring


def test_a_key_file_reads_back_and_only_its_owner_can(tmp_path: Path) -> None:
    ring = Keyring([new_key(), new_key()])
    write_key_file(tmp_path / "keys", ring)
    assert read_key_file(tmp_path / "keys") == ring
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_a_file_that_exists_is_changed_but_not_made_anew(tmp_path: Path) -> None:
    path, ring = tmp_path / "keys", Keyring([new_key()])
    write_key_file(path, ring, new=True)
    with pytest.raises(ConfigError, match="exists"):
        write_key_file(path, Keyring([new_key()]), new=True)
    write_key_file(path, ring.add(new_key()))
    assert len(read_key_file(path).keys) == 2


def test_what_a_link_points_to_is_changed_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    target, link = tmp_path / "secret" / "keys", tmp_path / "keys"
    write_key_file(target, Keyring([new_key()]))
    link.symlink_to(target)
    write_key_file(link, Keyring([new_key(), new_key()]))
    assert link.is_symlink()
    assert len(read_key_file(target).keys) == 2


def test_a_file_that_can_not_be_read_is_said_to_be_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_key_file(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="no key file"):
        read_key_file(tmp_path / "bytes")
    (tmp_path / "long").write_text("#" * 20_000)
    with pytest.raises(ConfigError, match="larger"):
        read_key_file(tmp_path / "long")


def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "keys"
    write_key_file(path, Keyring([new_key()]))
    path.chmod(0o644)
    read_key_file(path)
    assert "chmod 600" in caplog.text
