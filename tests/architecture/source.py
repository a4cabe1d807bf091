"""The source as syntax trees, for tests that read code instead of running it."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "meshq"
TESTS = REPOSITORY / "tests"


@dataclass(frozen=True)
class Source:
    """One file, parsed. ``path`` is relative to the repository; ``room`` is the part of the house it is in."""

    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        parts = Path(self.path).with_suffix("").parts
        return parts[1] if len(parts) > 1 else ""

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    def at(self, node: ast.AST) -> str:
        """Where a node is, as an editor wants it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


@cache
def sources(folder: Path) -> tuple[Source, ...]:
    """Every Python file under ``folder``, in a stable order."""
    return tuple(_read(path) for path in sorted(folder.rglob("*.py")))


def _read(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(str(path.relative_to(REPOSITORY)), text, ast.parse(text))


@cache
def pyproject() -> dict[str, Any]:
    """The project's settings."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


@cache
def floors() -> list[list[str]]:
    """The rooms, a list per floor, highest first, as the import contract has them."""
    contract = pyproject()["tool"]["importlinter"]["contracts"][0]
    return [layer.replace("|", " ").replace(":", " ").split() for layer in contract["layers"]]


def below_the_runtime() -> list[str]:
    """The rooms in which everything is given: bytes, time and chance."""
    layers = floors()
    lowest = next(at for at, floor in enumerate(layers) if "runtime" in floor)
    return [room for floor in layers[lowest + 1 :] for room in floor]


def pure_sources() -> Iterator[Source]:
    """The files of the rooms below the runtime."""
    rooms = below_the_runtime()
    return (source for source in sources(PACKAGE) if source.room in rooms)


def dotted(node: ast.AST) -> str:
    """``a.b.c`` for a name or attribute, else the empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""
