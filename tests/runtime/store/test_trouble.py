"""A disk that is full: batches are refused, everything else waits, and all goes on when there is room again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from meshq.machine.effects import NO_TOKEN, Store
from meshq.machine.store import Backlog, BatchRow, Born, Finished, Gone, LogOver, Put, Row, Tried
from meshq.runtime.store.late import CONDENSE_ROWS, Late, condensed
from meshq.runtime.store.writer import Answer
from tests.runtime.store.rows import LOG, batch, finished, gone, numbers, opened


def test_a_full_disk_refuses_batches_keeps_the_rest_and_serves_again_when_there_is_room(small_disk: Path) -> None:
    with opened(small_disk / "data") as asker:
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"." * (1 << 20))
        assert asker.keep(Born("orders", LOG, "billing", 1, 1)) == ""
        kept: list[int] = []
        first, why = 1, ""
        while not why:
            why = asker.keep(batch(first, 128))
            kept += [] if why else range(first, first + 128)
            first += 128
        assert "full" in why
        asker.until(lambda: bool(asker.health))
        assert asker.health == [why]
        late = asker.write(finished(1, 129), Put("note", "in trouble", b"kept"))
        again = asker.keep(batch(first, 128))
        assert "full" in again
        asker.until(lambda: Answer(late, "") in asker.answers)
        assert asker.health == [why], "there is room for what is finished, and for nothing more"
        ballast.unlink()
        asker.until(lambda: asker.health == [why, ""])
        assert asker.full == [True, False]
        assert asker.keep(batch(first + 128, 128)) == ""
        kept += range(first + 128, first + 256)
    with opened(small_disk / "data") as asker:
        assert numbers(asker.load()) == kept
        assert [channel.finished for channel in asker.recovered.logs[0].channels] == [[(1, 129)]]
        assert Put("note", "in trouble", b"kept") in asker.recovered.puts


def test_room_that_finished_messages_leave_is_enough_to_go_on(small_disk: Path) -> None:
    with opened(small_disk / "data") as asker:
        first, why = 1, ""
        while not why:
            why = asker.keep(batch(first, 128))
            first += 128
        asker.write(gone(1, first))
        asker.until(lambda: bool(asker.health) and asker.health[-1] == "")
        assert asker.keep(batch(first, 128)) == ""


def test_a_log_that_ends_in_the_transaction_that_meets_the_full_disk_ends_when_there_is_room(small_disk: Path) -> None:
    after = LOG._replace(generation=2)
    with opened(small_disk / "data") as asker:
        assert (
            asker.keep(Born("orders", LOG, "billing", 1, 1), *(batch(first, 100) for first in range(1, 2000, 100)))
            == ""
        )
        ballast = small_disk / "ballast"
        fill(ballast)
        next_life = [batch(first, 100, log=after) for first in range(1, 20_000, 100)]
        assert "full" in asker.keep(LogOver("orders", LOG), *next_life)
        ballast.unlink()
        asker.until(lambda: bool(asker.health) and asker.health[-1] == "")
        assert asker.keep(batch(1, 128, log=after)) == ""
    with opened(small_disk / "data") as asker:
        assert [log.log for log in asker.recovered.logs] == [after]


TOO_FAR_NS = 1 << 63
UNKEEPABLE: dict[str, Row] = {
    "a birth": Born("orders", LOG, "audit", 1, 1, TOO_FAR_NS),
    "a try": Tried("orders", LOG, "billing", 1, 1, 2, 1, TOO_FAR_NS),
    "a finish": Finished("orders", LOG, "billing", 1, 1, TOO_FAR_NS),
    "a batch": batch(11)._replace(accepted_ns=TOO_FAR_NS),
    "a batch's options": batch(11)._replace(options={"key": object()}),
    "a text": Put("note", "\ud800", b""),
    "a value": Put("note", "a", object()),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("wrong", UNKEEPABLE.values(), ids=UNKEEPABLE.keys())
def test_a_row_that_no_disk_could_take_is_dropped_aloud_and_keeps_nothing_else_back(wrong: Row, tmp_path: Path) -> None:
    with opened(tmp_path) as asker:
        assert asker.keep(Born("orders", LOG, "billing", 1, 1), batch(1)) == ""
        refused = asker.keep(finished(1, 3), wrong)
        assert bool(refused) == isinstance(wrong, BatchRow), "a batch is refused, as any that is not kept"
        asker.until(lambda: len(asker.health) > 1)
        assert asker.health[0]
        assert asker.health[1:] == [""]
        assert asker.full == [False, False], "it has room"
        assert asker.keep(batch(21), sync=True) == ""
    with opened(tmp_path) as asker:
        (log,) = asker.recovered.logs
        assert log.ready == [(1, 11), (21, 31)]
        assert [(channel.channel, channel.finished) for channel in log.channels] == [("billing", [(1, 3)])]


def test_a_row_that_no_disk_could_take_costs_nothing_else_when_the_store_is_closed_at_once(tmp_path: Path) -> None:
    with opened(tmp_path) as asker:
        assert asker.keep(Born("orders", LOG, "billing", 1, 1), batch(1)) == ""
        asker.write(UNKEEPABLE["a birth"], finished(1, 3))
    with opened(tmp_path) as asker:
        assert [channel.finished for channel in asker.recovered.logs[0].channels] == [[(1, 3)]]


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"." * 65_536)


def test_what_waits_for_the_disk_stays_small_and_means_the_same() -> None:
    late = Late()
    for number in range(1, 20 * CONDENSE_ROWS):
        assert late.add([Store(number, [batch(number, 1), finished(1, 1 + number), gone(1, number)])]) == [number]
        assert len(late.rows) <= CONDENSE_ROWS + 2
    assert late.add([Store(7, [Put("a", "b", b"1")], sync=True)]) == []
    assert condensed(late.rows) == [finished(1, 20 * CONDENSE_ROWS), gone(1, 20 * CONDENSE_ROWS - 1), late.rows[-1]]
    assert late.sync
    assert late.take() == [7]
    assert not late


def test_what_is_tied_to_a_batch_is_given_up_with_it_and_kept_without_one() -> None:
    late = Late()
    rows = [Put("a", "b", b"1"), batch(1, 1), finished(1, 2)]
    assert late.add([Store(7, rows, tied=1), Store(8, rows[::2], tied=1)]) == [7]
    assert late.rows == [rows[0], rows[0], rows[2]]
    assert late.take() == [8]


def test_only_what_a_later_row_says_again_is_left_out() -> None:
    where = ("orders", LOG, "billing", 1)
    rows: list[Row] = [
        Tried(*where, 1, 5, 1, 0), Tried(*where, 3, 9, 2, 0), Tried(*where, 1, 9, 3, 0),
        Finished(*where, 1, 3), Finished(*where, 5, 7), Finished(*where, 1, 4),
        Gone("orders", LOG, 1, 3), Put("k", "a", b"1"), Put("k", "b", b"1"), Put("k", "a", None),
        Backlog("orders", LOG, 3), Backlog("orders", LOG, 7),
    ]  # fmt: skip
    assert condensed(rows) == [rows[2], *rows[4:7], rows[8], rows[9], rows[11]]


def test_attempts_at_what_is_finished_later_are_left_out_and_others_stay() -> None:
    where = ("orders", LOG, "billing", 1)
    rows: list[Row] = [
        Tried(*where, 1, 3, 1, 0), Tried(*where, 3, 9, 2, 0), Tried("orders", LOG, "audit", 1, 1, 3, 1, 0),
        Finished(*where, 1, 5), Tried(*where, 1, 3, 1, 0),
    ]  # fmt: skip
    assert condensed(rows) == rows[1:]


def test_what_waits_for_the_disk_stays_small_while_messages_come_back_and_are_finished() -> None:
    late, where = Late(), ("orders", LOG, "billing", 1)
    for number in range(1, 20 * CONDENSE_ROWS):
        tried = Tried(*where, number, number + 1, 1, 0, "busy", "busy")
        assert late.add([Store(NO_TOKEN, [tried, finished(1, number + 1)])]) == []
        assert len(late.rows) <= CONDENSE_ROWS + 2
    assert late.take() == [], "nobody waits"
