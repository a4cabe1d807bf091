"""What a node tells of its members."""

from __future__ import annotations

from typing import Any

from meshq.wire.frames import Answer
from tests.engine.cast import Cast

NAMES = ("n1", "n2", "n3")


def members(cast: Cast, at: str) -> dict[str, dict[str, Any]]:
    client = cast.client(at)
    client.session.ask(1, "members", {}, 5_000)
    client.say()
    return {each["name"]: each for each in client.expect(Answer, 1).value["members"]}


def test_a_member_that_reads_late_is_shown_with_the_lag_that_it_says_at_every_node() -> None:
    cast = Cast(NAMES).start()
    assert {name: each["lag_ms"] for name, each in members(cast, "n1").items()} == dict.fromkeys(NAMES, 0)
    cast.fleet.hosts["n2"].lag_s = (1.5, 2.5)
    cast.run(20.0)
    for at in ("n1", "n3"):
        assert {name: each["lag_ms"] for name, each in members(cast, at).items()} == {"n1": 0, "n2": 3000, "n3": 0}
    cast.fleet.hosts["n2"].lag_s = (0.0, 0.0)
    cast.run(70.0)
    assert members(cast, "n3")["n2"]["lag_ms"] == 0
