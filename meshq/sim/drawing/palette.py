"""Colours and signs of a drawing. The colours are those that people who confuse red and green can tell apart."""

from __future__ import annotations

from typing import Final

from meshq.sim.drawing.diagram import ArrowKind, BarKind, MarkKind, SpanKind

INK: Final = "#1f2933"
MUTED: Final = "#6b7280"
OK: Final = "#1b7f4b"
VIOLATED: Final = "#d0021b"
SIDES: Final = ("#0072b2", "#cc79a7", "#009e73", "#b8860b")
SPANS: Final[dict[SpanKind, str]] = {
    "fault": "#d9cfe8", "down": "#9aa1ab", "paused": "#f0e442", "slow": "#fcd9a8", "side": "#0072b2",
}  # fmt: skip
BARS: Final[dict[BarKind, str]] = {"published": "#7b8794", "handed": "#56b4e9", "again": "#d55e00"}
ARROWS: Final[dict[ArrowKind, str]] = {
    "deliveries": "#56b4e9", "suspects": "#e69f00", "suspects wrongly": "#e69f00", "fails": "#5b2a86",
    "fails wrongly": "#5b2a86", "cut": "#b03060", "one-way": "#b03060",
}  # fmt: skip
MARKS: Final[dict[MarkKind, tuple[str, str, int]]] = {
    "moment": ("", MUTED, 0),
    "started": ("▲", OK, -34),
    "died": ("✖", INK, -34),
    "left": ("◀", INK, -34),
    "recovered": ("✔", OK, -34),
    "back": ("✚", OK, -34),
    "returned": ("↩", "#8a5a00", 36),
    "gone": ("○", MUTED, 50),
    "lost": ("✖", VIOLATED, 50),
}
"""Sign, colour, and how far below the axis of its lane it stands."""
