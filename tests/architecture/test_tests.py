"""What tests owe: a package per folder, a place in the house, no sleep as a guess."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.source import TESTS, Source, dotted, floors, sources

# Folders of tests that are no room of the package.
OWN_FOLDERS = ("architecture", "conformance", "docs", "endtoend", "properties", "simulations")

# Files in which something sleeps, with the reason why that is no guess.
SLEEPERS: dict[str, str] = {
    "tests/conformance/stages.py": "stops its own process: a stage is told for how long",
    "tests/client/test_connection.py": "stops its own loop; gives what must not happen time to happen",
    "tests/client/test_publishing.py": "gives what must not happen time to happen; keeps calls in turns of their own",
    "tests/endtoend/netns.py": "a fault of the network lasts for as long as it is asked to",
    "tests/node/test_node.py": "a handler that blocks its loop, and handlers that take a moment, are what it is about",
    "tests/client/test_storm.py": "handlers that take a random time: what they race against is the test's subject",
    "tests/sim/test_inside.py": "virtual time, as in tests/sim/test_mesh.py",
    "tests/sim/test_mesh.py": "virtual time: what is asleep there is the story, and no second passes here",
    "tests/sim/test_transport.py": "virtual time, as above",
    "tests/runtime/test_host.py": "stops its own process: the pause is what the test is about",
}
POLL_S = 0.1


def test_every_folder_is_a_package() -> None:
    """Else ``tests/http`` would shadow the standard library, and equal file names would clash."""
    folders = {path.parent for path in TESTS.rglob("*.py")}
    assert not [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()]


def test_the_folders_mirror_the_package() -> None:
    rooms = [room for floor in floors() for room in floor]
    folders = {path.parent.relative_to(TESTS).parts[0] for path in TESTS.glob("*/*.py")}
    assert sorted(folders - {*rooms, *OWN_FOLDERS}) == []


def test_no_test_sleeps_as_a_guess() -> None:
    """A condition is awaited with a timeout; ``sleep(0)`` gives way and is no guess."""
    found = [place for source in sources(TESTS) for place in _guesses(source) if source.path not in SLEEPERS]
    assert not found, "await a condition, or give the file its reason in SLEEPERS"


def test_every_sleeper_still_sleeps() -> None:
    assert sorted(SLEEPERS) == [source.path for source in sources(TESTS) if _guesses(source)]


def _guesses(source: Source) -> list[str]:
    """Where a file sleeps; short sleeps of a loop that waits for a condition are polls and not counted."""
    polls = {
        call
        for loop in ast.walk(source.tree)
        if isinstance(loop, ast.While) and not isinstance(loop.test, ast.Constant)
        for call in _sleeps(loop)
        if isinstance(length := call.args[0], ast.Constant)
        and isinstance(length.value, float)
        and length.value <= POLL_S
    }
    return [source.at(call) for call in _sleeps(source.tree) if call not in polls]


def _sleeps(tree: ast.AST) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and dotted(node.func).split(".")[-1] == "sleep"
        and node.args
        and not (isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
    ]


@pytest.mark.parametrize(
    ("code", "guesses"),
    [
        ("time.sleep(1)", 1),
        ("await asyncio.sleep(delay)", 1),
        ("await asyncio.sleep(0)", 0),
        ("while not done(): time.sleep(0.01)", 0),
        ("while True: time.sleep(0.01)", 1),
        ("while not done(): time.sleep(2)", 1),
    ],
)
def test_a_guess_is_told_from_a_poll(code: str, guesses: int) -> None:
    assert len(_guesses(Source("x.py", code, ast.parse(code)))) == guesses


def test_every_file_says_what_it_is_after() -> None:
    assert not [s.path for s in sources(TESTS) if s.tree.body and not ast.get_docstring(s.tree)]
