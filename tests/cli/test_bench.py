"""``meshq bench`` as it is called: a table or one document, a page of plots, and clear errors before anything runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meshq.bench import repeat
from meshq.bench.calibration import calibrate
from meshq.cli import run


@pytest.fixture(autouse=True)
def short_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same calibration, of a tenth of a second."""
    monkeypatch.setattr(repeat, "calibrate", lambda: calibrate(0.1))


WITHIN_S = 20.0
SMALL = ["bench", "throughput", "--messages", "2000", "--runs", "1"]


def test_a_bench_is_a_document_for_programs_and_a_page_for_people(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.svg"
    assert run([*SMALL, "--json", "--plot", str(page)]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["settings"] == {
        "messages": 2000, "size_bytes": 200, "batch": 128, "calls": 64, "level": "memory", "each": False,
    }  # fmt: skip
    assert told["figures"]["messages_per_s"]["median"] > 0
    assert len(told["calibrations"]) == 2
    assert told["noisy"] == bool(told["noise"])
    assert "meshq bench throughput" in page.read_text()


def test_a_bench_is_a_table_with_its_calibration_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*SMALL, "--batch", "1"]) == 0
    out, err = capfd.readouterr()
    assert "throughput: messages 2,000, size_bytes 200, batch 1, calls 200, level memory" in out
    assert "MIN" in out
    assert "calibration: loop" in out
    assert err == ""


def test_a_page_that_can_not_be_drawn_is_said_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*SMALL, "--plot", "page.gif"]) == 1
    assert capfd.readouterr().err == "meshq: --plot draws .svg, .png, .pdf, not page.gif\n"


def test_a_level_that_does_not_exist_is_wrong_use(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*SMALL, "--level", "paper"]) == 2
    assert "memory" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_ends_a_bench_and_all_that_it_started_and_quietly() -> None:
    command = [sys.executable, "-m", "meshq", "bench", "throughput", "--messages", "100000000"]
    bench = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + WITHIN_S
    while not (started := children(bench.pid)):
        assert time.monotonic() < end
        time.sleep(0.02)
    bench.send_signal(signal.SIGINT)
    out, err = bench.communicate(timeout=WITHIN_S)
    assert (bench.returncode, out, err) == (130, b"", b"")
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


def children(pid: int) -> list[str]:
    """The processes that it started and that still run."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
