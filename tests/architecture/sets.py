"""Finds where the order of a set could be seen.

The order of a set of texts changes with the hash seed, and with it every decision made in that order. A
set may be asked (``in``, ``len``) and sorted; who walks over it wants a dict. Reads one module at a
time: what is a set is known from literals, calls, annotations and assignments in it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.source import dotted

SET_CALLS = ("set", "frozenset")
SET_TYPES = ("set", "frozenset", "Set", "AbstractSet", "MutableSet")
SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
SET_METHODS = ("union", "intersection", "difference", "symmetric_difference")
WALKERS = ("list", "tuple", "iter", "enumerate", "zip", "map", "filter", "reversed", "next", "dict")
WALKING_METHODS = ("join", "extend", "choice", "sample", "fromkeys")


def walks_over_sets(tree: ast.Module) -> list[ast.AST]:
    """The nodes at which a set's order gets out."""
    named = _named_sets(tree)
    return [node for node, walked in _walked(tree) if _is_set(walked, named)]


def _walked(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Every place that takes values in order, with what it takes them from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.AsyncFor):
            yield node, node.iter
        elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp):
            for generator in node.generators:
                yield node, generator.iter
        elif isinstance(node, ast.Starred):
            yield node, node.value
        elif isinstance(node, ast.Call):
            yield from _walked_by_call(node)


def _walked_by_call(call: ast.Call) -> Iterator[tuple[ast.AST, ast.AST]]:
    name = dotted(call.func)
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if name in WALKERS or method in WALKING_METHODS:
        for argument in call.args:
            yield call, argument
    if isinstance(call.func, ast.Attribute) and method == "pop" and not call.args:
        yield call, call.func.value


def _named_sets(tree: ast.Module) -> dict[str, None]:
    """Names and attributes that are annotated as sets or assigned one."""
    named: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and _is_set_type(node.annotation):
            named[dotted(node.target)] = None
        elif isinstance(node, ast.arg) and node.annotation and _is_set_type(node.annotation):
            named[node.arg] = None
        elif isinstance(node, ast.Assign) and _is_set(node.value, named):
            for target in node.targets:
                named[dotted(target)] = None
    named.pop("", None)
    return named


def _is_set_type(annotation: ast.AST) -> bool:
    base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return dotted(base).split(".")[-1] in SET_TYPES


def _is_set(node: ast.AST, named: dict[str, None]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call):
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        base = node.func.value if isinstance(node.func, ast.Subscript) else node.func
        if dotted(base) in SET_CALLS:
            return True
        return method in SET_METHODS and isinstance(node.func, ast.Attribute)
    if isinstance(node, ast.BinOp) and isinstance(node.op, SET_OPERATORS):
        return any(_is_set(side, named) or _is_view(side) for side in (node.left, node.right))
    return dotted(node) in named


def _is_view(node: ast.AST) -> bool:
    """Whether it is a dict's keys or items: an operator between two makes a set."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("keys", "items")
