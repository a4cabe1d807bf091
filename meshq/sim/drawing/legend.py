"""What the signs of a drawing mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from meshq.sim.drawing.diagram import ArrowKind, BarKind, MarkKind, SpanKind
from meshq.sim.drawing.elements import line, rect, text
from meshq.sim.drawing.palette import ARROWS, BARS, MARKS, SPANS

Swatch: TypeAlias = Callable[[float, float], list[str]]

LETTER: Final = 6.4
ROW: Final = 19
SWATCH: Final = 20

_BARS: Final[dict[BarKind, str]] = {
    "published": "published here", "handed": "handed to a consumer here", "again": "not for the first time",
}  # fmt: skip
_ARROWS: Final[dict[ArrowKind, str]] = {
    "deliveries": "messages from node to node", "suspects": "suspects", "fails": "holds dead (how many nodes do)",
    "fails wrongly": "dashed: though it runs", "cut": "link cut, or one way closed",
}  # fmt: skip
_MARKS: Final[dict[MarkKind, str]] = {
    "died": "dies", "left": "leaves", "started": "starts again", "recovered": "refuted (told by)",
    "back": "alive again (told by)", "returned": "lent messages taken back", "gone": "gone with its memory",
    "lost": "lost",
}  # fmt: skip
_SPANS: Final[dict[SpanKind, str]] = {"down": "down", "paused": "stands still", "slow": "slow"}


def legend(left: float, top: float, right: float) -> Iterator[str]:
    """All signs with their meaning, in rows."""
    x, y = left, top
    for swatch, said in _entries():
        width = SWATCH + LETTER * len(said) + 16
        if x + width > right:
            x, y = left, y + ROW
        yield from swatch(x, y)
        yield text(x + SWATCH, y, said)
        x += width


def _entries() -> Iterator[tuple[Swatch, str]]:
    for bar, said in _BARS.items():
        yield _box(BARS[bar]), said
    for span, said in _SPANS.items():
        yield _box(SPANS[span]), said
    for arrow, said in _ARROWS.items():
        yield _stroke(ARROWS[arrow], dashed=arrow in ("fails wrongly", "cut")), said
    for mark, said in _MARKS.items():
        yield _sign(*MARKS[mark][:2]), said


def _box(colour: str) -> Swatch:
    return lambda x, y: [rect(x, y - 9, 14, 10, fill=colour)]


def _stroke(colour: str, *, dashed: bool) -> Swatch:
    dashes = "4 2" if dashed else None
    return lambda x, y: [line(x, y - 4, x + 15, y - 4, stroke=colour, stroke_width=2.0, stroke_dasharray=dashes)]


def _sign(sign: str, colour: str) -> Swatch:
    return lambda x, y: [text(x + 2, y, sign, fill=colour, font_size=12)]
