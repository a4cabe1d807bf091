"""One node's store: what was kept is there at the next start, and what a start may find instead."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from meshq.errors import ConfigError
from meshq.machine.effects import LoadDue
from meshq.machine.store import Backlog, Born, Put
from meshq.runtime.store.folder import DATABASE, default_folder
from meshq.runtime.store.opening import known_name, open_store
from meshq.runtime.store.store import SqliteStore
from tests.runtime.store.keeper import SqlKeeper
from tests.runtime.store.rows import LOG, batch, epoch_ms, finished, gone, numbers, opened


def test_what_was_kept_is_found_by_the_next_start_and_read_by_it(tmp_path: Path) -> None:
    with opened(tmp_path) as asker:
        assert asker.keep(Born("orders", LOG, "billing", 1, 1), batch(1), batch(11), batch(21)) == ""
        assert asker.keep(finished(1, 16), gone(1, 11), Put("peer", "n2", b"there"), sync=True) == ""
    with opened(tmp_path) as asker:
        (log,) = asker.recovered.logs
        assert (log.topic, log.log, log.next) == ("orders", LOG, 31)
        assert [channel.finished for channel in log.channels] == [[(1, 16)]]
        assert Put("peer", "n2", b"there") in asker.recovered.puts
        assert numbers(asker.load(11)) == list(range(log.ready[0][0], 31))
        assert asker.recovered.lost == 0


def test_small_neighbours_become_one_row_and_rows_that_are_gone_leave_room(tmp_path: Path) -> None:
    with opened(tmp_path) as asker:
        rows = [batch(1 + 10 * n)._replace(accepted_ns=1) for n in range(20)]
        asker.keep(*rows)
        assert [row.messages for row in asker.load() or ()] == [200]
    size_bytes = (tmp_path / DATABASE).stat().st_size
    for turn in range(1, 30):
        with opened(tmp_path) as asker:
            first = 1 + 200 * turn
            asker.keep(gone(1, first), *(batch(first + 10 * n)._replace(accepted_ns=1) for n in range(20)))
    assert (tmp_path / DATABASE).stat().st_size <= size_bytes + 4 * 32_768, "pages that became free are used again"


def test_each_start_has_a_later_epoch_and_the_directory_knows_its_node_by_name(tmp_path: Path) -> None:
    assert known_name(tmp_path / DATABASE) == ""
    first = epoch_ms(tmp_path)
    assert known_name(tmp_path / DATABASE) == "n1"
    ahead = first + 10**9
    with opened(tmp_path) as asker:
        asker.keep(Put("epoch", "raised", b"\x1b" + ahead.to_bytes(8, "big")))
    assert epoch_ms(tmp_path) == ahead + 1, "later than any that its name was heard with"


def test_a_directory_in_use_is_refused_with_who_has_it(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(ConfigError, match=r"in use by process \d+: stop that node"):
        SqliteStore(tmp_path)


def test_a_file_of_a_later_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / DATABASE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (tmp_path / DATABASE).read_bytes()
    with pytest.raises(ConfigError, match="later version of meshq"):
        SqliteStore(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if "damaged" in path.name] == []


def test_a_directory_that_cant_be_made_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--data"):
        SqliteStore(tmp_path / "file" / "data")


def test_a_broken_page_costs_the_batches_on_it_and_the_file_is_set_aside(tmp_path: Path) -> None:
    with opened(tmp_path) as asker:
        for n in range(40):
            asker.keep(batch(1 + 128 * n, 128))
        asker.keep(Born("orders", LOG, "billing", 1, 1), finished(1, 129))
    broken = bytearray((tmp_path / DATABASE).read_bytes())
    page = broken.index(b"1400.....") // 32_768
    broken[page * 32_768 : page * 32_768 + 16] = b"\xff" * 16
    (tmp_path / DATABASE).write_bytes(broken)
    with opened(tmp_path) as asker:
        assert numbers(asker.load(1, 1000))[0] == 1
        found = numbers(asker.load())
        assert 1400 not in found, "the reader leaves out what it can't read"
        assert len(found) >= 36 * 128
    before = (tmp_path / DATABASE).read_bytes()
    with opened(tmp_path) as asker:
        assert 1 <= asker.recovered.lost <= 4
        (log,) = asker.recovered.logs
        assert [channel.finished for channel in log.channels] == [[(1, 129)]]
        assert numbers(asker.load()) == found
    assert before == (tmp_path / f"{DATABASE}.damaged-1").read_bytes()
    with opened(tmp_path) as asker:
        assert asker.recovered.lost == 0


def test_a_deferred_row_that_cannot_be_read_is_answered_without_its_body(tmp_path: Path) -> None:
    keeper = SqlKeeper()
    rows = [batch(first)._replace(due_ns=first, options={"key": str(first)}) for first in (1, 11)]
    keeper.apply(list(rows))
    keeper.connection.execute("UPDATE batch SET options = x'ff' WHERE first = 1")
    assert keeper.load_due(LoadDue(1, 0, 100, 1 << 20)) == [
        rows[0]._replace(body=b"", options={}),
        rows[1],
    ]


def test_what_is_no_database_at_all_is_set_aside_and_counted_never_overwritten(tmp_path: Path) -> None:
    for number in (1, 2):
        for ending in ("-wal", "-shm"):
            (tmp_path / (DATABASE + ending)).unlink(missing_ok=True)
        (tmp_path / DATABASE).write_bytes(f"no database {number} ".encode() * 10_000)
        with opened(tmp_path) as asker:
            assert asker.recovered.lost >= 1
            assert asker.keep(batch(1)) == ""
        assert (tmp_path / f"{DATABASE}.damaged-{number}").read_bytes().startswith(f"no database {number}".encode())


class Killed(BaseException):
    """The process ends here."""


def damaged(folder: Path, *, noted: bool) -> bytes:
    """A store of 3,000 messages with an index that nobody can read; what its file holds."""
    with opened(folder) as asker:
        for first in range(1, 3_000, 100):
            assert asker.keep(batch(first, 100)) == ""
    path = folder / DATABASE
    connection = sqlite3.connect(path)
    ((page,),) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'batch_span'").fetchall()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 32_768)
        file.write(b"\xff" * 32_768)
    if noted:
        (folder / f"{DATABASE}.is-damaged").touch()
    return path.read_bytes()


@pytest.mark.parametrize("noted", [False, True])
def test_a_salvage_that_finds_no_room_loses_nothing(small_disk: Path, noted: bool) -> None:
    folder = small_disk / "data"
    before = damaged(folder, noted=noted)
    (folder / f"{DATABASE}.reserve").unlink()
    disk, ballast = os.statvfs(small_disk), small_disk / "ballast"
    ballast.write_bytes(b"." * (disk.f_bavail * disk.f_frsize - 300_000))
    with pytest.raises(ConfigError, match="full"):
        SqliteStore(folder)
    ballast.unlink()
    with opened(folder) as asker:
        assert len(numbers(asker.load())) == 3_000
    assert (folder / f"{DATABASE}.damaged-1").read_bytes() == before


@pytest.mark.parametrize("renames", range(4))
def test_a_start_that_is_killed_while_it_salvages_leaves_all_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    before = damaged(tmp_path, noted=True)
    (tmp_path / f"{DATABASE}-wal").touch()
    rename, left = Path.rename, [None] * renames

    def rename_or_die(path: Path, to: Path) -> Path:
        if not left:
            raise Killed
        left.pop()
        return rename(path, to)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename_or_die)
        with pytest.raises(Killed):
            open_store(tmp_path / DATABASE)
    with opened(tmp_path) as asker:
        assert len(numbers(asker.load())) == 3_000
        assert asker.keep(batch(3_001)) == ""
    with opened(tmp_path) as asker:
        assert len(numbers(asker.load())) == 3_010
    assert [path.name for path in tmp_path.glob("*.damaged-?")] == [f"{DATABASE}.damaged-1"]
    assert (tmp_path / f"{DATABASE}.damaged-1").read_bytes() == before
    assert not [*tmp_path.glob("*salvag*"), *tmp_path.glob("*.is-damaged")]


def test_the_default_directory_is_the_users_and_the_ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert default_folder(4255) == tmp_path / "meshq" / "4255"


def test_a_start_finds_when_messages_were_accepted_and_where_the_backlog_begins(tmp_path: Path) -> None:
    second = 1_000_000_000
    with opened(tmp_path) as asker:
        rows = [batch(1 + 10 * n)._replace(accepted_ns=(n + 1) * second) for n in range(4)]
        asker.keep(Born("orders", LOG, "billing", 1, 1), *rows, finished(1, 21), Backlog("orders", LOG, 21))
    with opened(tmp_path) as asker:
        (log,) = asker.recovered.logs
        assert log.ages is not None
        assert [tuple(step) for step in log.ages] == [(1 + 10 * n, 11 + 10 * n, (n + 1) * second) for n in range(4)]
        assert log.ages.of([(1, 41)]) == log.size_bytes
        assert log.backlog_from == 21
        assert [channel.channel for channel in log.channels] == ["billing"]


def test_a_file_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    with opened(tmp_path) as asker:
        asker.keep(Born("orders", LOG, "billing", 1, 1), batch(1), batch(11))
    connection = sqlite3.connect(tmp_path / DATABASE)
    connection.executescript(
        "DROP INDEX batch_span; CREATE INDEX batch_span ON batch (log, first, stop, due_ns, size); "
        "PRAGMA user_version = 1;"
    )
    connection.close()
    for _ in range(2):
        with opened(tmp_path) as asker:
            (log,) = asker.recovered.logs
            assert log.ages is not None
            assert numbers(asker.load()) == list(range(1, 21))
