"""What a node says while it cannot join."""

from __future__ import annotations

from meshq.machine import events
from tests.engine.cast import Cast


def failures(cast: Cast, name: str) -> list[events.SeedFailed]:
    return [event for _, host, event in cast.fleet.events if host == name and isinstance(event, events.SeedFailed)]


def test_a_seed_at_which_nobody_listens_is_said_to_refuse() -> None:
    cast = Cast(("n1", "n2"))
    cast.fleet.hosts["n1"].start()
    cast.fleet.crash("n1")
    cast.fleet.hosts["n2"].start()
    cast.until(lambda: bool(failures(cast, "n2")))
    assert "refused" in failures(cast, "n2")[0].reason


def test_a_seed_of_another_label_says_so_and_what_to_do() -> None:
    cast = Cast(("n1", "n2"), labels={"n2": "other"})
    cast.fleet.start_all()
    cast.until(lambda: bool(failures(cast, "n2")))
    assert "label 'meshq', yours is 'other'" in failures(cast, "n2")[0].reason
    cast.run(5.0)
    assert cast.engine("n2").membership.alone
    assert "n2" not in cast.engine("n1").membership.members
