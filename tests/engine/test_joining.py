"""What a node says while it cannot join."""

from __future__ import annotations

from meshq.errors import ConfigError
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


def refusals(cast: Cast, name: str) -> list[str]:
    """With which words that node ended by itself."""
    return [str(stop.error) for _, stop in cast.fleet.hosts[name].stops if stop.error is not None]


def test_a_node_that_its_seed_refuses_for_its_label_ends_at_once_and_says_what_to_do() -> None:
    cast = Cast(("n1", "n2"), labels={"n2": "other"})
    cast.fleet.start_all()
    cast.until(lambda: bool(refusals(cast, "n2")), within_s=0.5)
    [why] = refusals(cast, "n2")
    assert "refuses this node and says: this mesh has the label 'meshq', yours is 'other': give both the same" in why
    assert isinstance(cast.fleet.hosts["n2"].stops[0][1].error, ConfigError)
    assert "n2" not in cast.engine("n1").membership.members


def test_a_node_that_one_seed_refuses_while_the_other_is_unreachable_ends_instead_of_going_on_alone() -> None:
    cast = Cast(("n1", "n2", "n3"), labels={"n2": "other"}, seeds={"n2": ("n3", "n1")})
    cast.fleet.hosts["n1"].start()
    cast.fleet.hosts["n2"].start()
    cast.run(2.9)
    assert failures(cast, "n2")
    assert not refusals(cast, "n2")
    cast.until(lambda: bool(refusals(cast, "n2")), within_s=0.2)


def test_a_node_that_one_seed_refuses_and_another_takes_is_in() -> None:
    cast = Cast(("n1", "n2", "n3"), labels={"n1": "other"}, seeds={"n2": (), "n3": ("n1", "n2")})
    cast.fleet.start_all()
    cast.until(lambda: cast.engine("n3").membership.joined)
    cast.run(5.0)
    assert [member.name for member in cast.engine("n3").membership.alive()] == ["n2"]


def test_a_refusal_where_a_member_was_in_an_earlier_start_keeps_nobody_from_starting() -> None:
    labels = {"n2": "meshq"}
    seeds: dict[str, tuple[str, ...]] = {"n2": ("n1",)}
    cast = Cast(("n1", "n2"), labels=labels, seeds=seeds, stores=True).start()
    cast.run(2.0)
    cast.fleet.crash("n1")
    cast.fleet.crash("n2")
    labels["n2"], seeds["n2"] = "other", ()
    cast.fleet.restart("n2")
    cast.run(1.0)
    cast.fleet.restart("n1")
    cast.until(lambda: cast.engine("n1").ready)
    assert "label" in failures(cast, "n1")[-1].reason
    assert cast.engine("n1").membership.alone


def test_a_node_that_is_alone_already_is_not_ended_by_a_seed_that_comes_and_refuses_it() -> None:
    cast = Cast(("n1", "n2"), labels={"n2": "other"})
    cast.fleet.hosts["n2"].start()
    cast.until(lambda: cast.engine("n2").membership.alone)
    cast.fleet.hosts["n1"].start()
    cast.until(lambda: "label" in failures(cast, "n2")[-1].reason)
    cast.run(20.0)
    assert not refusals(cast, "n2")


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
