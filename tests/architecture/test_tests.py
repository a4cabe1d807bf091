"""What tests owe: a package per folder, a place in the house, no sleep as a guess."""

from __future__ import annotations

import ast

from tests.architecture.source import TESTS, dotted, floors, sources

# Folders of tests that are no room of the package.
OWN_FOLDERS = ("architecture", "conformance", "docs", "endtoend", "properties", "simulations")

# Files in which something sleeps, with the reason why that is no guess.
SLEEPERS: dict[str, str] = {}


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
    found = [
        source.at(node)
        for source in sources(TESTS)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and _sleeps(node) and source.path not in SLEEPERS
    ]
    assert not found, "await a condition, or give the file its reason in SLEEPERS"


def _sleeps(call: ast.Call) -> bool:
    if dotted(call.func).split(".")[-1] != "sleep" or not call.args:
        return False
    length = call.args[0]
    return not (isinstance(length, ast.Constant) and length.value == 0)


def test_every_sleeper_still_sleeps() -> None:
    sleeping = [
        source.path
        for source in sources(TESTS)
        if any(isinstance(node, ast.Call) and _sleeps(node) for node in ast.walk(source.tree))
    ]
    assert sorted(SLEEPERS) == sleeping


def test_every_file_says_what_it_is_after() -> None:
    assert not [s.path for s in sources(TESTS) if s.tree.body and not ast.get_docstring(s.tree)]
