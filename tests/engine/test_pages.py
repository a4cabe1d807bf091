"""Lists that don't fit one answer come in pages, and nothing is missing or there twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from meshq.engine import views
from meshq.engine.pages import gather_stats, page
from meshq.wire.frames import Answer
from tests.engine.cast import Cast

TOPICS = [f"t{number:02}" for number in range(30)]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two or three topics."""
    monkeypatch.setattr(views, "VALUES_MAX", 100)


def rows(count: int, made: list[int]) -> Iterator[dict[str, Any]]:
    for number in range(count):
        made.append(number)
        yield {"topic": f"t{number}", "channels": [1, 2, 3]}


def test_a_page_ends_before_it_has_too_many_values_and_makes_no_more_rows() -> None:
    made: list[int] = []
    found, end = page(rows(9, made), "topic", 20)
    assert ([row["topic"] for row in found], end, made) == (["t0", "t1"], "t1", [0, 1, 2])


def test_a_row_that_is_too_large_comes_alone_and_the_last_page_names_no_next() -> None:
    found, end = page(rows(2, []), "topic", 1)
    assert (len(found), end) == (1, "t0")
    assert page(rows(1, []), "topic", 1)[1] == ""
    assert page(iter([]), "topic", 1) == ([], "")


def test_pages_of_several_nodes_end_together_and_what_is_no_page_is_missing() -> None:
    def stats(names: str, end: str) -> dict[str, Any]:
        return {"topics": [{"topic": name} for name in names], "next": end}

    found = gather_stats({"a": stats("abcd", "d"), "b": stats("bc", "c"), "c": stats("xy", ""), "d": [1]}, ["e"], {})
    shown = {name: "".join(topic["topic"] for topic in one["topics"]) for name, one in found["nodes"].items()}
    assert shown == {"a": "abc", "b": "bc", "c": ""}
    assert (found["next"], found["missing"]) == ("c", ["e", "d"])


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("kind", "mesh"), [("topics", False), ("stats", False), ("stats", True)])
def test_every_topic_is_on_one_page(kind: str, mesh: bool) -> None:
    cast = Cast(("n1", "n2")).start()
    client = cast.client("n1")
    for topic in TOPICS:
        client.session.ask(1, "create", {"topic": topic, "channel": "c"}, 1_000)
    client.say()
    cast.run(2.0)
    seen: list[str] = []
    after, number = "", len(TOPICS)
    while after or not seen:
        number += 1
        client.session.ask(number, kind, {"after": after, "mesh": mesh}, 5_000)
        client.say()
        found = client.expect(Answer, number).value
        named = found["nodes"]["n1"] if mesh else found
        seen += [topic["topic"] for topic in named["topics"]]
        after = found["next"]
    assert seen == TOPICS
    assert number > len(TOPICS) + 4
