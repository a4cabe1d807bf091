"""Rules that import-linter can't see, read from the syntax trees.

Below the runtime nothing reads a file, prints, or depends on an address in memory, on the hash seed or on
the order of a set. In the whole package errors are caught by name, and everything public says what it is for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.sets import walks_over_sets
from tests.architecture.source import PACKAGE, Source, dotted, pure_sources, sources

IMPURE = ("open", "hash", "id", "eval", "exec", "compile", "print", "input", "breakpoint", "__import__", "globals")

# Where `except Exception` may stand: a boundary that reports the error and lets what it bounds end.
BOUNDARIES: dict[str, str] = {
    "meshq/client/connection.py": "the reconnecting task: logs, and ends the connection with the error",
    "meshq/http/door.py": "the task of a request: logs, and a bug costs one request",
    "meshq/runtime/host.py": "the tasks of a host: logs, and ends the node with the error",
    "meshq/runtime/store/writer.py": "a transaction: logs, says that the store has trouble, and tries again",
    "meshq/runtime/turns.py": "an input or a turn: has its host log it, and end the node with the error",
    "meshq/sim/loop.py": "a function given to a thread: its error goes to whoever awaits it",
    "meshq/sim/program.py": "a simulated process: its error ends the run, and is raised there",
    "meshq/sim/run.py": "a run: a machine that fails is the run's finding",
}


def test_nothing_below_the_runtime_calls_what_is_impure() -> None:
    found = [
        f"{source.at(node)} {dotted(node.func)}()"
        for source in pure_sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and dotted(node.func) in IMPURE
    ]
    assert not found


def test_nothing_below_the_runtime_walks_over_a_set() -> None:
    found = [source.at(node) for source in pure_sources() for node in walks_over_sets(source.tree)]
    assert not found, "use a dict, or sorted()"


@pytest.mark.parametrize(
    "code",
    [
        "for x in {1, 2}: pass",
        "for x in set(y): pass",
        "s = {1}\nlist(s)",
        "self.s = set()\n[x for x in self.s]",
        "s: set[str]\nnext(iter(s))",
        "def f(s: frozenset[str]):\n    return tuple(s)",
        "for x in a.keys() - b.keys(): pass",
        "s = {1}\n[*s]",
        "','.join({a, b})",
        "self.s: set[int] = set()\nself.s.pop()",
        "{x: 1 for x in {1} | y}",
        "rng.choice(list(a.union(b)))",
    ],
)
def test_a_walk_over_a_set_is_seen(code: str) -> None:
    assert walks_over_sets(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "for x in [1]: pass", "sorted({1, 2})", "s = {1}\nlen(s)\n1 in s", "d = {1: 2}\nlist(d)", "d.pop(1)", "l.pop()",
        "for x in sorted(set(y)): pass", "x = a - b\nlist(c)", "{x for x in [1]}",
    ],
)  # fmt: skip
def test_what_shows_no_order_is_left_alone(code: str) -> None:
    assert not walks_over_sets(ast.parse(code))


def test_errors_are_caught_by_name() -> None:
    found = [
        source.at(node)
        for source in sources(PACKAGE)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and _catches_all(node) and source.path not in BOUNDARIES
    ]
    assert not found, "catch the narrowest, or give the boundary its reason in BOUNDARIES"


def test_every_boundary_still_needs_its_exception() -> None:
    needing = [
        source.path
        for source in sources(PACKAGE)
        if any(isinstance(node, ast.ExceptHandler) and _catches_all(node) for node in ast.walk(source.tree))
    ]
    assert sorted(BOUNDARIES) == needing


def _catches_all(handler: ast.ExceptHandler) -> bool:
    """Whether it swallows any error at all; one that cleans up and raises again does not."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(dotted(kind) in ("Exception", "BaseException") for kind in kinds)


def test_everything_public_says_what_it_is_for() -> None:
    found = [place for source in sources(PACKAGE) for place in _undocumented(source)]
    assert not found


def _undocumented(source: Source) -> Iterator[str]:
    if source.tree.body and not ast.get_docstring(source.tree):
        yield f"{source.path}:1 module"
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield f"{source.at(node)} {node.name}"
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
            yield f"{source.at(node)} class {node.name}"
