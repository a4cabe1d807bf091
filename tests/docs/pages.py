"""The documents as tests see them: pages, links, headings, and blocks of code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.source import REPOSITORY

PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])


@dataclass(frozen=True)
class Block:
    """A fenced block: ``info`` is what follows the fence, such as ``python`` or ``sh``."""

    page: str
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    found: list[Block] = []
    info, began, lines = "", 0, [""]
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.startswith("```"):
            lines.append(line)
        elif began:
            found.append(Block(str(page.relative_to(REPOSITORY)), began, info, "\n".join(lines) + "\n"))
            began = 0
        else:
            info, began, lines = line.removeprefix("```").strip(), number, []
    assert not began, f"{page}:{began} opens a block that nobody closes"
    return found


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> list[str]:
    """What a link may name in a page: its headings, as forges write them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
