"""The package root: everything is there, nothing is loaded before it is used, and types agree with it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import meshq


@pytest.mark.parametrize("name", meshq.__all__)
def test_every_export_is_there(name: str) -> None:
    assert getattr(meshq, name) is not None
    assert name in dir(meshq)


def test_what_type_checkers_see_is_what_is_exported() -> None:
    tree = ast.parse(Path(meshq.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    declared = {
        node.target.id for node in block.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert imported | declared == set(meshq.__all__)


def test_every_public_error_is_exported() -> None:
    from meshq import errors

    kinds = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert kinds <= set(meshq.__all__)


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        meshq.nothing_like_it  # noqa: B018


def test_importing_the_package_loads_nothing() -> None:
    program = "import sys, meshq; print([name for name in sys.modules if name.startswith(('meshq.', 'asyncio'))])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
