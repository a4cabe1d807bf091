"""Draws a diagram as SVG, by hand: a title, a legend, a row for each fault, a lane for each node, the violations.

Decides sizes and colours. What there is to draw is in ``diagram``. Texts may hold anything: they are escaped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from meshq.sim.drawing.diagram import Arrow, Bar, Diagram, Mark, Span
from meshq.sim.drawing.elements import element, line, rect, text, tooltip
from meshq.sim.drawing.legend import legend
from meshq.sim.drawing.palette import ARROWS, BARS, INK, MARKS, MUTED, OK, SIDES, SPANS, VIOLATED

WIDTH: Final = 1480
LEFT: Final = 96
RIGHT: Final = 30
HEAD: Final = 104
ROW: Final = 18
LANE: Final = 104
GAP: Final = 14
HALF: Final = 30
"""The most that a bar is high, above or below the axis of a lane."""
LETTER: Final = 6.2
"""Mean width of a letter of the small texts."""
FAULT_ROWS_MAX: Final = 16
VIOLATIONS_MAX: Final = 8
TICKS: Final = (1, 2, 5, 10, 20, 60, 300)


@dataclass(frozen=True, slots=True)
class Scale:
    """Where times and lanes are on the paper."""

    lanes: tuple[str, ...]
    until_s: float
    top: float
    """Of the first lane."""

    def x(self, at_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(at_s, 0.0), self.until_s) / self.until_s

    def lane_top(self, lane: str) -> float:
        return self.top + self.lanes.index(lane) * (LANE + GAP)

    def axis(self, lane: str) -> float:
        return self.lane_top(lane) + LANE / 2 + 4

    @property
    def bottom(self) -> float:
        return self.top + len(self.lanes) * (LANE + GAP)


def svg(diagram: Diagram) -> str:
    """The drawing as a document of its own."""
    faults = [span for span in diagram.spans if span.kind == "fault"]
    rows = _rows(faults, diagram.until_s)
    scale = Scale(diagram.lanes, diagram.until_s, HEAD + ROW * max(1, len(rows)) + 34)
    told = _violations(diagram)
    height = scale.bottom + 34 + ROW * len(told) + 10
    parts = [
        rect(0, 0, WIDTH, height, fill="#ffffff"),
        *_head(diagram),
        *_fault_rows(rows, len(faults) - sum(map(len, rows)), scale),
        *_grid(scale),
        *(part for lane in diagram.lanes for part in _lane(lane, scale)),
        *(part for span in diagram.spans if span.lane in diagram.lanes for part in _span(span, scale)),
        *_deliveries(diagram, scale),
        *_bars(diagram, scale),
        *(part for arrow in diagram.arrows if arrow.kind != "deliveries" for part in _arrow(arrow, scale)),
        *(part for mark in diagram.marks for part in _mark(mark, scale)),
        *_violation_lines(diagram, scale),
        *told_below(told, scale),
    ]
    return element(
        "svg",
        *_definitions(),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height:.0f}",
        width=WIDTH,
        height=round(height),
        font_family="DejaVu Sans, Verdana, Helvetica, Arial, sans-serif",
        font_size=11,
        fill=INK,
    )


# The head: what run it is, how it ended, what the signs mean.


def _head(diagram: Diagram) -> Iterator[str]:
    colour = VIOLATED if diagram.violations else OK
    yield text(16, 30, diagram.title, font_size=20, font_weight="bold")
    yield text(WIDTH - RIGHT, 30, diagram.verdict, font_size=16, font_weight="bold", fill=colour, text_anchor="end")
    yield from legend(16, 56, WIDTH - RIGHT)


# Rows of faults: side by side where there is room.


def _rows(faults: list[Span], until_s: float) -> list[list[Span]]:
    """Faults in as few rows as it takes that neither bars nor words overlap."""
    rows: list[list[Span]] = []
    for fault in sorted(faults, key=lambda span: span.from_s):
        row = next((each for each in rows if _ends_x(each[-1], until_s) < _begins_x(fault, until_s)), None)
        if row is not None:
            row.append(fault)
        elif len(rows) < FAULT_ROWS_MAX:
            rows.append([fault])
    return rows


def _begins_x(fault: Span, until_s: float) -> float:
    """Where its bar begins, or its words when they stand before it for want of room."""
    x = Scale((), until_s, 0).x(fault.from_s)
    return x - LETTER * len(fault.text) - 12 if _words_before(fault, until_s) else x


def _ends_x(fault: Span, until_s: float) -> float:
    scale = Scale((), until_s, 0)
    end = max(scale.x(fault.until_s), scale.x(fault.from_s) + 4)
    return end + 6 if _words_before(fault, until_s) else max(end, scale.x(fault.from_s) + LETTER * len(fault.text)) + 14


def _words_before(fault: Span, until_s: float) -> bool:
    return Scale((), until_s, 0).x(fault.from_s) + LETTER * len(fault.text) > WIDTH - RIGHT


def _fault_rows(rows: list[list[Span]], untold: int, scale: Scale) -> Iterator[str]:
    yield text(16, HEAD + 13, "faults", fill=MUTED)
    if not rows:
        yield text(LEFT, HEAD + 13, "none", fill=MUTED)
    if untold:
        yield text(16, HEAD + 13 + ROW, f"and {untold} more", fill=MUTED)
    for number, row in enumerate(rows):
        top = HEAD + number * ROW
        for fault in row:
            x, end = scale.x(fault.from_s), scale.x(fault.until_s)
            yield rect(x, top, max(4, end - x), ROW - 3, fill=SPANS["fault"], rx=2)
            if _words_before(fault, scale.until_s):
                yield text(x - 6, top + 12, fault.text, text_anchor="end")
            else:
                yield text(x + 4, top + 12, fault.text)
            yield line(x, top, x, scale.bottom - GAP, stroke=SPANS["fault"], stroke_opacity=0.6, stroke_dasharray="2 4")


# Lanes and what holds on them.


def _grid(scale: Scale) -> Iterator[str]:
    step_s = next((tick for tick in TICKS if scale.until_s / tick <= 24), TICKS[-1])
    for tick in range(0, int(scale.until_s) + 1, step_s):
        x = scale.x(tick)
        yield line(x, scale.top - 6, x, scale.bottom - GAP, stroke="#e3e3e3")
        yield text(x, scale.bottom + 4, f"{tick} s", text_anchor="middle", fill=MUTED)


def _lane(lane: str, scale: Scale) -> Iterator[str]:
    top, x, end = scale.lane_top(lane), scale.x(0), scale.x(scale.until_s)
    yield rect(x, top, end - x, LANE, fill="#6b7280", fill_opacity=0.05)
    yield line(x, scale.axis(lane), end, scale.axis(lane), stroke=INK, stroke_width=1.2)
    yield text(LEFT - 12, scale.axis(lane) + 4, lane, text_anchor="end", font_size=14, font_weight="bold")


def _span(span: Span, scale: Scale) -> Iterator[str]:
    x, end, top = scale.x(span.from_s), scale.x(span.until_s), scale.lane_top(span.lane)
    width = max(2.0, end - x)
    if span.kind == "side":
        colour = SIDES[span.side % len(SIDES)]
        yield rect(x, top, width, LANE, fill=colour, fill_opacity=0.13)
        yield rect(x, top, width, 5, fill=colour)
        yield text(x + 3, top + 16, f"side {span.text}", fill=colour, font_weight="bold")
        return
    yield rect(x, top, width, LANE, fill=SPANS[span.kind], fill_opacity=0.85 if span.kind == "down" else 0.45)
    if width > 6 * LETTER:
        said = {"down": "down", "paused": "stands still", "slow": "slow"}.get(span.kind, "")
        yield text(x + width / 2, top + LANE - 6, said, text_anchor="middle", fill=INK)


def _bars(diagram: Diagram, scale: Scale) -> Iterator[str]:
    """Above the axis what was published, below it what was handed over, repeats first; roots keep few visible."""
    most = max((bar.count for bar in diagram.bars), default=1)
    below: dict[tuple[str, float], float] = {}
    for bar in sorted(diagram.bars, key=lambda each: each.kind):
        if bar.lane not in scale.lanes:
            continue
        high = HALF * (bar.count / most) ** 0.5
        axis, key = scale.axis(bar.lane), (bar.lane, bar.from_s)
        top = axis - high if bar.kind == "published" else axis + below.get(key, 0.0)
        if bar.kind != "published":
            below[key] = below.get(key, 0.0) + high
        x = scale.x(bar.from_s)
        yield _bar(bar, x, top, scale.x(bar.until_s) - x - 1, high)


def _bar(bar: Bar, x: float, top: float, width: float, high: float) -> str:
    told = f"{bar.count} {bar.kind}, {bar.from_s:.1f} to {bar.until_s:.1f} s"
    return rect(x, top, max(1.0, width), high, tooltip(told), fill=BARS[bar.kind], fill_opacity=0.9)


# What goes from lane to lane.


def _deliveries(diagram: Diagram, scale: Scale) -> Iterator[str]:
    ways = [arrow for arrow in diagram.arrows if arrow.kind == "deliveries" and _known(arrow, scale)]
    most = max((arrow.count for arrow in ways), default=1)
    for arrow in ways:
        down = scale.lanes.index(arrow.target) > scale.lanes.index(arrow.source)
        yield line(
            scale.x(arrow.from_s),
            scale.axis(arrow.source),
            max(scale.x(arrow.until_s), scale.x(arrow.from_s) + 5),
            scale.axis(arrow.target) + (-3 if down else 3),
            stroke=ARROWS["deliveries"],
            stroke_opacity=0.35,
            stroke_width=round(0.6 + 2.4 * (arrow.count / most) ** 0.5, 2),
        )


def _known(arrow: Arrow, scale: Scale) -> bool:
    return arrow.source in scale.lanes and arrow.target in scale.lanes


def _arrow(arrow: Arrow, scale: Scale) -> Iterator[str]:
    if not _known(arrow, scale):
        return
    colour, x = ARROWS[arrow.kind], scale.x(arrow.from_s)
    source, target = scale.axis(arrow.source), scale.axis(arrow.target)
    if arrow.source == arrow.target:
        source = target - 34
    yield line(
        x, source, x, target - 5 if target > source else target + 5,
        tooltip(f"{arrow.source} {arrow.kind} {arrow.target} at {arrow.from_s:.2f} s"),
        stroke=colour, stroke_width=1.6, marker_end=f"url(#{_head_id(arrow)})",
        stroke_dasharray="5 3" if arrow.kind.endswith("wrongly") or arrow.kind in ("cut", "one-way") else None,
    )  # fmt: skip
    if arrow.kind in ("cut", "one-way"):
        yield text(x, (source + target) / 2 + 5, "✕", fill=colour, text_anchor="middle", font_size=14)
    elif arrow.count > 1:
        yield text(x + 4, target + (-12 if target > source else 20), f"{arrow.count}", fill=colour, font_weight="bold")


def _head_id(arrow: Arrow) -> str:
    return "head-" + arrow.kind.replace(" ", "-")


def _definitions() -> Iterator[str]:
    heads = [
        element(
            "marker",
            element("path", d="M0,0 L8,4 L0,8 z", fill=colour),
            id=f"head-{kind.replace(' ', '-')}",
            viewBox="0 0 8 8", refX=7, refY=4, markerWidth=8, markerHeight=8, orient="auto",
            markerUnits="userSpaceOnUse",
        )
        for kind, colour in ARROWS.items()
        if kind not in ("deliveries", "cut")
    ]  # fmt: skip
    yield element("defs", *heads)


# What happened at one time.


def _mark(mark: Mark, scale: Scale) -> Iterator[str]:
    x = scale.x(mark.at_s)
    if mark.kind == "moment":
        yield line(x, scale.top - 8, x, scale.bottom - GAP, stroke=MUTED, stroke_dasharray="6 3")
        before = x + LETTER * len(mark.text) > WIDTH - RIGHT
        yield text(
            x + (-4 if before else 4), scale.top - 8, mark.text, fill=MUTED, text_anchor="end" if before else None
        )
        return
    if mark.lane not in scale.lanes:
        return
    sign, colour, off = MARKS[mark.kind]
    y = scale.axis(mark.lane) + off
    count = f" {mark.count}" if mark.count > 1 or mark.kind in ("returned", "gone", "lost") else ""
    told = tooltip(f"{mark.lane}: {mark.kind}{count} at {mark.at_s:.2f} s")
    bold = "bold" if mark.kind in ("lost", "died") else None
    yield text(
        x, y, f"{sign}{count}", told, fill=colour, text_anchor="middle", font_size=12, font_weight=bold,
        stroke="#ffffff", stroke_width=2.5, paint_order="stroke",
    )  # fmt: skip


# What was violated.


def _violations(diagram: Diagram) -> list[str]:
    shown = diagram.violations[:VIOLATIONS_MAX]
    lines = [f"{number}. at {at_s:.2f} s: {told}" for number, (at_s, told) in enumerate(shown, 1)]
    if len(diagram.violations) > len(shown):
        lines.append(f"and {len(diagram.violations) - len(shown)} more")
    return [part for each in lines for part in wrap(each, int((WIDTH - 32) / LETTER))[:3]]


def _violation_lines(diagram: Diagram, scale: Scale) -> Iterator[str]:
    for number, (at_s, _) in enumerate(diagram.violations[:VIOLATIONS_MAX], 1):
        x = scale.x(at_s)
        yield line(x, scale.top - 6, x, scale.bottom - GAP, stroke=VIOLATED, stroke_width=2)
        yield text(
            x - 4 - 12 * (number - 1), scale.top + 4, f"{number}", fill=VIOLATED, font_weight="bold", text_anchor="end"
        )


def told_below(told: list[str], scale: Scale) -> Iterator[str]:
    """The violations in words, under the lanes."""
    for number, each in enumerate(told):
        yield text(16, scale.bottom + 34 + number * ROW, each, fill=VIOLATED)
