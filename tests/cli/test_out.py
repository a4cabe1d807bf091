"""Tables: numbers and ids are whole, whatever the width; names and bodies give way in a terminal only."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from meshq.cli import out

NAME = "n" * 64
PROGRAM = f"""
from meshq.cli import out
out.table(("ID", "TOPIC", "DEPTH"), [("0123456789abcdef", "{NAME}", "20,000")], right=["DEPTH"])
"""


def in_a_terminal(columns: int) -> str:
    """What the program shows in a terminal of that width."""
    near, far = os.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    environment.pop("FORCE_COLOR", None)
    subprocess.run([sys.executable, "-c", PROGRAM], stdout=far, env=environment, check=True)
    os.close(far)
    shown = b""
    try:
        while data := os.read(near, 4096):
            shown += data
    except OSError:  # how Linux says the end of a terminal
        pass
    os.close(near)
    return shown.decode()


def test_in_a_pipe_nothing_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    out.table(("ID", "BODY"), [("0123456789abcdef", "b" * 500)])
    assert f"0123456789abcdef   {'b' * 500}\n" in capsys.readouterr().out


def test_a_narrow_terminal_cuts_names_and_never_numbers_or_ids() -> None:
    for columns in (60, 20):
        lines = in_a_terminal(columns).splitlines()
        assert "0123456789abcdef   nnn" in lines[2]
        assert lines[2].endswith("…   20,000")
        assert len(lines[2]) == max(columns, 16 + 3 + out.CUT_LEAST + 3 + 6)
