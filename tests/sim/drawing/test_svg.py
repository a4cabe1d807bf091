"""A drawing is well-formed, shows one of everything, and takes any text."""

from __future__ import annotations

from typing import get_args
from xml.etree import ElementTree

from meshq.sim.drawing import Arrow, Bar, Diagram, Mark, Span, svg
from meshq.sim.drawing.diagram import ArrowKind, BarKind, MarkKind, SpanKind
from meshq.sim.drawing.svg import FAULT_ROWS_MAX, VIOLATIONS_MAX

NAMESPACE = "{http://www.w3.org/2000/svg}"

EVERYTHING = Diagram(
    title="all of it",
    lanes=("n1", "n2", "n3"),
    until_s=40.0,
    spans=tuple(
        Span(kind=kind, from_s=5.0, until_s=25.0, lane="" if kind == "fault" else "n2", text=f"some {kind}")
        for kind in get_args(SpanKind)
    ),
    marks=tuple(
        Mark(kind=kind, at_s=10.0, lane="" if kind == "moment" else "n1", text="now", count=7)
        for kind in get_args(MarkKind)
    ),
    arrows=tuple(
        Arrow(kind=kind, source="n1", target="n3", from_s=12.0, until_s=13.0, count=2) for kind in get_args(ArrowKind)
    ),
    bars=tuple(Bar(kind=kind, lane="n3", from_s=1.0, until_s=2.0, count=9) for kind in get_args(BarKind)),
    violations=((20.0, "something was lost"),),
)


def words(document: str) -> list[str]:
    """Every text of a drawing that is not a tooltip."""
    return [element.text or "" for element in ElementTree.fromstring(document).iter(f"{NAMESPACE}text")]


def test_it_shows_lanes_title_verdict_and_one_of_everything() -> None:
    document = svg(EVERYTHING)
    told = words(document)
    for shown in (
        "all of it", "1 violation", "n1", "n2", "n3", "some fault", "now", "down", "stands still", "slow",
        "side some side", "▲ 7", "✖ 7", "◀ 7", "✔ 7", "✚ 7", "↩ 7", "○ 7", "2",
        "1. at 20.00 s: something was lost", "40 s",
    ):  # fmt: skip
        assert shown in told, shown
    tooltips = [element.text for element in ElementTree.fromstring(document).iter(f"{NAMESPACE}title")]
    for kind in get_args(BarKind):
        assert f"9 {kind}, 1.0 to 2.0 s" in tooltips
    for kind in get_args(ArrowKind):
        assert kind == "deliveries" or f"n1 {kind} n3 at 12.00 s" in tooltips


def test_any_text_is_escaped() -> None:
    bad = "<script>&\"'\x00\x1b\n]]>"
    document = svg(
        Diagram(
            title=bad,
            lanes=(bad,),
            until_s=1.0,
            spans=(Span(kind="fault", from_s=0.0, until_s=1.0, text=bad),),
            marks=(Mark(kind="moment", at_s=0.5, text=bad),),
            arrows=(Arrow(kind="suspects", source=bad, target=bad, from_s=0.1, until_s=0.1),),
            violations=((0.5, bad),),
        )
    )
    assert "<script>" not in document
    assert "<script>&\"'   ]]>" in words(document)


def test_nothing_at_all_can_be_drawn() -> None:
    told = words(svg(Diagram(title="still", lanes=("n1",), until_s=10.0)))
    assert "nothing was violated" in told
    assert "none" in told


def test_more_than_fits_is_left_out_and_said() -> None:
    faults = tuple(Span(kind="fault", from_s=1.0, until_s=9.0, text=f"fault {number}") for number in range(40))
    violations = tuple((1.0, f"violation {number}") for number in range(20))
    told = words(svg(Diagram(title="much", lanes=("n1",), until_s=10.0, spans=faults, violations=violations)))
    assert sum(each.startswith("fault ") for each in told) == FAULT_ROWS_MAX
    assert f"and {40 - FAULT_ROWS_MAX} more" in told
    assert f"and {20 - VIOLATIONS_MAX} more" in told


def test_faults_share_a_row_where_neither_bars_nor_words_overlap() -> None:
    apart = tuple(Span(kind="fault", from_s=at_s, until_s=at_s + 1, text="short") for at_s in (1.0, 20.0, 39.0))
    one_row = svg(Diagram(title="", lanes=(), until_s=40.0, spans=apart))
    close = tuple(Span(kind="fault", from_s=at_s, until_s=at_s + 1, text="short") for at_s in (1.0, 1.1))
    two_rows = svg(Diagram(title="", lanes=(), until_s=40.0, spans=close))
    heights = [int(ElementTree.fromstring(document).attrib["height"]) for document in (one_row, two_rows)]
    assert heights[0] < heights[1]
