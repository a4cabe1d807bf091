"""What a node says while it cannot join."""

from __future__ import annotations

from meshq.machine import events
from meshq.wire.frames import Confirmed, Refused
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


def joined() -> Cast:
    """Two nodes, of which the second has joined by the first and asked it for its catalog this moment."""
    cast = Cast(("n1", "n2"))
    cast.fleet.hosts["n1"].start()
    cast.run(1.0)
    cast.fleet.hosts["n2"].start()
    cast.fleet.world.run_while(lambda: not cast.engine("n2").membership.joined, within_s=1.0, check_s=0.0005)
    assert not cast.engine("n2").ready
    return cast


def test_a_node_whose_members_are_gone_before_it_has_their_catalog_says_so_and_serves() -> None:
    cast = joined()
    cast.fleet.crash("n1", host=True)
    client = cast.client("n2")
    client.publish("t", b"too early")
    assert client.expect(Refused).code == "STARTING"
    cast.until(lambda: cast.engine("n2").ready, within_s=15.0)
    alone = [event for _, _, event in cast.fleet.events if isinstance(event, events.Alone)]
    assert alone == [events.Alone(3.0, joined=True)]
    client.publish("t", b"now", request=2)
    client.expect(Confirmed)


def test_a_node_left_alone_before_it_was_ready_finds_its_mesh_again() -> None:
    cast = joined()
    cast.fleet.crash("n1", host=True)
    cast.until(lambda: cast.engine("n2").ready)
    cast.fleet.restart("n1")
    cast.until(lambda: len(cast.engine("n2").membership.alive()) == 1)
    client = cast.client("n1")
    client.publish("t", b"x")
    client.expect(Confirmed)
    cast.until(lambda: [topic["topic"] for topic in cast.engine("n2").routing.topics()] == ["t"])
