"""SVG elements as text. Everything that comes from outside is escaped here, and only here."""

from __future__ import annotations

from typing import TypeAlias
from xml.sax.saxutils import escape, quoteattr

Value: TypeAlias = str | float | None


def element(name: str, *children: str, **attributes: Value) -> str:
    """An element; an underscore in an attribute's name is a hyphen, and one that is None is left out.

    ``children`` are elements, or text that is escaped already.
    """
    told = "".join(
        f" {key.replace('_', '-')}={quoteattr(_written(value))}"
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{told}>{''.join(children)}</{name}>\n" if children else f"<{name}{told}/>\n"


def text(x: float, y: float, words: str, *children: str, **attributes: Value) -> str:
    """Words at a place."""
    return element("text", escape(_printable(words)), *children, x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, *children: str, **attributes: Value) -> str:
    """A line."""
    return element("line", *children, x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def rect(x: float, y: float, width: float, height: float, *children: str, **attributes: Value) -> str:
    """A rectangle."""
    return element("rect", *children, x=x, y=y, width=width, height=height, **attributes)


def tooltip(words: str) -> str:
    """What a reader is told who points at the element that this is put into."""
    return element("title", escape(_printable(words)))


def _written(value: Value) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) and abs(value) >= 2 else str(value)


def _printable(words: str) -> str:
    """Without the characters that XML does not allow."""
    return "".join(char if char.isprintable() else " " for char in words)
