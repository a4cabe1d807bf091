"""Prints the largest files and functions: a signpost, not a gate.

    python -m tests.architecture.sizes

Past about 450 lines a file, and past about 40 a function, ask which noun is hiding inside.
"""

from __future__ import annotations

import ast

from tests.architecture.source import PACKAGE, sources

FILE_LINES = 450
FUNCTION_LINES = 40


def main() -> None:
    """Print what is past the signposts, and the medians."""
    files = sorted(source.lines for source in sources(PACKAGE) if source.lines)
    functions: list[int] = []
    for source in sources(PACKAGE):
        if source.lines > FILE_LINES:
            print(f"{source.path}: {source.lines} lines")
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                functions.append(length)
                if length > FUNCTION_LINES:
                    print(f"{source.at(node)} {node.name}: {length} lines")
    functions.sort()
    print(f"{len(files)} files, median {files[len(files) // 2]} lines, largest {files[-1]}")
    print(f"{len(functions)} functions, median {functions[len(functions) // 2]} lines, largest {functions[-1]}")


if __name__ == "__main__":
    main()
