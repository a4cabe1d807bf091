"""Every command and every example of the documents is run, as it stands, against a node of its own.

A page is played from top to bottom on one node. What follows the opening fence says how a block is played:

    sh             by bash, must exit with 0
    sh node        a node that runs until it is stopped: must say that it is ready, and leave cleanly
    sh fails       by bash, must not
    python         by a fresh interpreter, must exit with 0
    python F.py    is written to the file F.py, beside which the page's other blocks are played
    sh install     by the run of everything in a fresh clone, not here
    sh long        not here: a search of minutes

Only addresses differ from what is written: the nodes of a test have ports of their own.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshq.launcher import Launcher, NodeProcess
from tests.architecture.source import REPOSITORY
from tests.docs.pages import PAGES, Block, blocks

WITHIN_S = 60
PLAYED = [page for page in PAGES if blocks(page)]
KINDS = ("sh", "sh fails", "sh node", "sh install", "sh long", "python", "text")
FILE = re.compile(r"python (\w+\.py)")


def name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with Launcher() as running:
        yield running


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Where ``meshq`` and ``python`` are those under test, installed or not."""
    for command, call in (("meshq", "-m meshq"), ("python", ""), ("pytest", "-m pytest -p no:cacheprovider")):
        script = tmp_path / command
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {call} "$@"\n')
        script.chmod(0o755)
    given = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY), "PYTEST_ADDOPTS": ""}
    return {**os.environ, **given}


@pytest.mark.parametrize("page", PLAYED, ids=name)
def test_every_block_says_how_it_is_played(page: Path) -> None:
    assert not [str(block) for block in blocks(page) if block.info not in KINDS and not FILE.fullmatch(block.info)]


@pytest.mark.parametrize("page", PLAYED, ids=name)
def test_the_examples_of_a_page_work(
    page: Path, launcher: Launcher, environment: dict[str, str], tmp_path: Path
) -> None:
    node = launcher.start("docs")
    for block in blocks(page):
        if block.info == "sh node":
            play_node(block, launcher, node)
        elif block.info in ("sh", "sh fails", "python"):
            play(block, node, environment)
        elif file := FILE.fullmatch(block.info):
            (tmp_path / file[1]).write_text(block.text)


def play(block: Block, node: NodeProcess, environment: dict[str, str]) -> None:
    """Run a block to its end."""
    command = [sys.executable, "-c"] if block.info == "python" else ["bash", "-euo", "pipefail", "-c"]
    text = block.text.replace("localhost:4151", node.http).replace('"localhost"', f'"{node.mesh}"')
    text = text.replace("meshq.Node(", 'meshq.Node(bind="127.0.0.1", port=0, ')
    run = subprocess.run(
        [*command, text],
        env={**environment, "MESHQ_NODE": node.mesh},
        cwd=environment["PATH"].split(":")[0],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert (run.returncode != 0) == (block.info == "sh fails"), f"{block}\n{run.stdout}\n{run.stderr}"


def play_node(block: Block, launcher: Launcher, node: NodeProcess) -> None:
    """Start the node of a block with its seeds and options, and stop it as Ctrl-C would."""
    words = shlex.split(block.text.replace("localhost", node.mesh))
    assert words[:2] == ["meshq", "join"], block
    started = launcher.start(f"line-{block.line}", arguments=words[2:])
    started.interrupt()
    assert started.wait() == 0, f"{block}\n{started.log_tail()}"
