"""Imports go down only, and what is pure stays pure; import-linter reads the contracts in pyproject.toml."""

from __future__ import annotations

import ast
import subprocess
import sys

from tests.architecture.source import PACKAGE, REPOSITORY, below_the_runtime, floors, pyproject, sources

HEAVY = ("aiohttp", "asyncio", "cbor2", "rich", "typer", "uvloop")


def test_the_contracts_hold() -> None:
    # In a process of its own: in ours it would switch off the loggers that other tests listen to
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_room_has_a_floor_and_every_floor_its_rooms() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__", "__main__"} == {room for floor in floors() for room in floor}


def test_the_pure_rooms_are_all_those_below_the_runtime() -> None:
    contract = pyproject()["tool"]["importlinter"]["contracts"][1]
    assert sorted(contract["source_modules"]) == sorted(f"meshq.{room}" for room in below_the_runtime())


def test_nobody_inside_imports_the_package_root() -> None:
    """Its names are loaded lazily, from anywhere: an import of one could go up without being seen."""
    rooms = [room for floor in floors() for room in floor]
    found = [
        source.at(node)
        for source in sources(PACKAGE)
        for node in ast.walk(source.tree)
        if source.path != "meshq/__init__.py" and _imports_root(node, rooms)
    ]
    assert not found, "import from the room itself, by its full name"


def _imports_root(node: ast.AST, rooms: list[str]) -> bool:
    if isinstance(node, ast.ImportFrom):
        return bool(node.level) or (node.module == "meshq" and any(name.name not in rooms for name in node.names))
    return isinstance(node, ast.Import) and any(name.name == "meshq" for name in node.names)


def test_importing_the_package_loads_no_library() -> None:
    code = f"import sys, meshq; print([name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
