"""Answers of several nodes to one question: joined whatever shape they have, and whoever can't give one."""

from __future__ import annotations

from typing import Any

from meshq.engine import why
from meshq.engine.facts import read
from meshq.engine.inside import gather_peek
from meshq.wire.frames import Answer
from tests.engine.cast import Cast


def found(answer: Any, channel: str = "billing") -> list[str]:
    """The findings of one channel, worst first."""
    return [one["why"] for each in answer["answers"] if each["channel"] == channel for one in each["findings"]]


def text(answer: Any, which: str) -> str:
    (one,) = [one for each in answer["answers"] for one in each["findings"] if one["why"] == which]
    return f"{one['text']} | {one['next']}"


def test_trouble_with_a_store_is_told_of_every_channel() -> None:
    cast = Cast(("n1", "n2")).start()
    client = cast.client("n2")
    cast.engine("n1").store_health(cast.fleet.world.now, "no space left on device")
    client.session.ask(1, "create", {"topic": "t", "channel": "c"}, 1_000)
    client.session.ask(2, "why", {"topic": "t", "mesh": True}, 5_000)
    client.say()
    answer = client.expect(Answer, 2).value
    assert found(answer, "c") == ["STORE_TROUBLE", "NONE"]
    assert "the store of n1 has trouble: no space left on device" in text(answer, "STORE_TROUBLE")


def test_an_answer_of_another_shape_counts_as_none() -> None:
    good = {
        "exists": True, "paused": [], "names": ["c"], "backlog": 0, "refusing": "", "store": "", "dead": {},
        "unlinked": {}, "channels": {},
    }  # fmt: skip
    assert read(good) is not None
    reason = {"why": "IN_FLIGHT", "messages": 1, "nodes": {}, "due_s": None, "attempts": 0, "error": ""}
    later = {**reason, "why": "SOMETHING_LATER"}
    told = {"reasons": [reason, later], "finished": 0, "missed": 0, "ended": {}}
    facts = read({**good, "channels": {"c": told}})
    assert facts is not None
    assert [one.why.name for one in facts.channels["c"].reasons] == ["IN_FLIGHT"], (
        "what a later version adds is skipped"
    )
    wrongs: list[Any] = [
        None, [], {}, {**good, "channels": []}, {**good, "dead": {"x": 1}}, {**good, "backlog": "many"},
        {**good, "backlog": float("inf")}, {**good, "channels": {"c": {**told, "holding": 1}}},
    ]  # fmt: skip
    for wrong in wrongs:
        assert read(wrong) is None
        answer = why.answer({"a": good, "b": wrong}, ["c"], {"topic": "t", "channel": "c"})
        assert answer["missing"] == ["c", "b"]
        assert found(answer, "c") == ["NODE_SILENT", "NODE_SILENT", "NONE"]


def test_peek_leaves_out_a_member_whose_answer_is_no_peek() -> None:
    good = {"exists": True, "names": [], "counts": {"queued": 1}, "messages": [{"state": "queued", "number": 1}]}
    wrongs: list[Any] = [
        None,
        [],
        {},
        {**good, "counts": {"queued": "x"}},
        {**good, "messages": [1]},
        {**good, "names": [1]},
    ]
    for wrong in wrongs:
        gathered = gather_peek({"a": good, "b": wrong}, [], {"topic": "t"})
        assert gathered["missing"] == ["b"]
        assert gathered["messages"] == good["messages"]


def test_a_member_that_can_not_answer_does_not_hold_the_others_up() -> None:
    cast = Cast(("n1", "n2")).start()
    del cast.engine("n2")._questions._kinds["why"]
    client = cast.client("n1")
    before = cast.fleet.world.now
    client.session.ask(1, "why", {"topic": "t", "mesh": True}, 5_000)
    client.say()
    answer = client.expect(Answer).value
    assert answer["missing"] == ["n2"]
    assert cast.fleet.world.now - before < 1.0


def test_a_node_that_waits_for_the_catalog_of_its_mesh_says_that_it_accepts_nothing() -> None:
    cast = Cast(("n1",), seeds={"n1": ("nowhere",)}).start()
    client = cast.client("n1")
    client.session.ask(1, "why", {"topic": "t", "mesh": True}, 5_000)
    client.say()
    assert found(client.expect(Answer).value, "") == ["NO_TOPIC", "STARTING"]
    cast.run(5.0)
    client.session.ask(2, "why", {"topic": "t", "mesh": True}, 5_000)
    client.say()
    assert found(client.expect(Answer, 2).value, "") == ["NO_TOPIC"]
