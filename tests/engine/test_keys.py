"""Keys that change while a mesh lives: step by step, nobody is parted, and who was away with an old key is told."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import Any

import pytest

from meshq.engine.keys import CUT_S
from meshq.machine.events import KeysChanged, LinkDown, MemberFailed, MemberSuspected, Trouble
from meshq.wire import bodies
from meshq.wire.frames import Answer, Confirmed, Deliver, Goodbye, Subscribed
from meshq.wire.keyring import PLAIN, Key, Keyring, Secrecy, read_keyring
from tests.engine.cast import Cast, Talker

ONE, TWO = Key(bytes([1]) * 32), Key(bytes([2]) * 32)
NAMES = ("n1", "n2", "n3")
NUMBERS = count(1)


def told(cast: Cast, name: str, *kinds: type[Any]) -> list[Any]:
    return [event for _, who, event in cast.fleet.events if who == name and isinstance(event, kinds)]


def operator(cast: Cast, key: Key) -> Talker:
    """Somebody at n1 who has that key."""
    return cast.client("n1", remote=True, secrecy=Secrecy(Keyring([key]), Random(next(NUMBERS)).randbytes))


def ask(cast: Cast, talker: Talker, kind: str, **arguments: Any) -> Answer:
    number = next(NUMBERS)
    talker.session.ask(number, kind, {"mesh": True, **arguments}, 5000)
    talker.say()
    cast.until(lambda: any(answer.number == number for answer in talker.all(Answer)))
    return next(answer for answer in talker.all(Answer) if answer.number == number)


def keys(answer: Answer) -> dict[str, list[str]]:
    assert not answer.code, answer.value
    return {name: found["keys"] for name, found in sorted(answer.value["nodes"].items())}


def everywhere(*keys: Key) -> dict[str, list[str]]:
    return {name: [key.name for key in keys] for name in NAMES}


def kept(cast: Cast, name: str) -> Keyring:
    """What the node's key file holds."""
    return read_keyring(cast.fleet.hosts[name].keys, name)


def test_a_rotation_under_traffic_loses_nothing_and_has_nobody_suspected() -> None:
    cast = Cast(NAMES, keys=dict.fromkeys(NAMES, Keyring([ONE]))).start()
    consumer, producer = cast.client("n1"), cast.client("n3")
    consumer.session.subscribe(1, "letters", "readers", 10_000, 10_000_000)
    consumer.say()
    consumer.expect(Subscribed)
    numbers = count(1)

    def publish() -> None:
        number = next(numbers)
        producer.publish("letters", b"%06d" % number, request=number)
        if number < 600:
            cast.fleet.world.after(0.01, publish)

    publish()
    boss = operator(cast, ONE)
    expect = everywhere(ONE, TWO)
    assert keys(ask(cast, boss, "keys_add", key=TWO.text())) == expect
    assert {name: kept(cast, name).keys for name in NAMES} == dict.fromkeys(NAMES, (ONE, TWO))
    cast.run(0.5)
    expect = everywhere(TWO, ONE)
    assert keys(ask(cast, boss, "keys_use", key=TWO.name)) == expect
    cast.run(0.5)
    expect = everywhere(TWO)
    assert keys(ask(cast, boss, "keys_remove", key=ONE.name)) == expect
    cast.run(CUT_S + 1.0)
    cast.until(lambda: len(producer.all(Confirmed)) == 600)
    cast.until(lambda: len(_bodies(consumer)) == 600)
    for name in NAMES:
        assert not told(cast, name, MemberSuspected, MemberFailed)
        assert [event.in_use for event in told(cast, name, KeysChanged)] == [ONE.name, TWO.name, TWO.name]
        sessions = [stream.session for stream in cast.engine(name)._streams.all() if stream.address[0]]
        assert {session.key for session in sessions if session is not None} <= {TWO.name}
    assert boss.expect(Goodbye).code == "KEY"
    assert [event for event in told(cast, "n1", LinkDown) if event.reason == "key"]


def _bodies(consumer: Talker) -> set[Any]:
    return {body for frame in consumer.all(Deliver) for body in bodies.decode(frame.body)}


def test_who_was_away_with_both_keys_drops_the_one_that_was_removed_meanwhile() -> None:
    """Its file has the old key first. Were it let in with it, whoever has the removed key would be in again."""
    cast = Cast(NAMES, keys=dict.fromkeys(NAMES, Keyring([ONE, TWO]))).start()
    cast.fleet.crash("n3")
    for name in ("n1", "n2"):
        cast.until(lambda name=name: not cast.engine(name).membership.members["n3"].live)  # type: ignore[misc]
    for kind, key in (("keys_use", TWO), ("keys_remove", ONE)):
        assert set(keys(ask(cast, operator(cast, TWO), kind, key=key.name))) == {"n1", "n2"}
    cast.fleet.restart("n3")
    cast.until(lambda: cast.engine("n1").membership.members["n3"].live)
    cast.run(CUT_S + 1.0)
    assert keys(ask(cast, operator(cast, TWO), "keys")) == everywhere(TWO)
    assert kept(cast, "n3").keys == (TWO,)
    intruder = operator(cast, ONE)
    cast.until(lambda: intruder.over)
    assert intruder.expect(Goodbye).code == "KEY"


def test_who_has_a_key_removed_hears_of_it_over_that_key_though_a_node_is_slow() -> None:
    """An operator's copy of the key file is from before the rotation: with its stream its report would be lost."""
    cast = Cast(NAMES, keys=dict.fromkeys(NAMES, Keyring([TWO, ONE]))).start()
    boss = operator(cast, ONE)
    boss.expect_up()
    cast.run(1.0)
    cast.fleet.hosts["n3"].pause()
    cast.fleet.world.after(2.0, cast.fleet.hosts["n3"].resume)
    assert keys(ask(cast, boss, "keys_remove", key=ONE.name)) == everywhere(TWO)
    cast.until(lambda: boss.over)
    assert boss.expect(Goodbye).code == "KEY"


def test_a_node_that_was_away_while_the_key_went_is_told_on_both_sides_and_comes_back_with_the_new_one() -> None:
    cast = Cast(NAMES, keys=dict.fromkeys(NAMES, Keyring([ONE]))).start()
    cast.fleet.hosts["n3"].crash()
    cast.until(lambda: bool(told(cast, "n1", MemberFailed)))
    boss = operator(cast, ONE)
    ask(cast, boss, "keys_add", key=TWO.text())
    ask(cast, boss, "keys_use", key=TWO.name)
    ask(cast, boss, "keys_remove", key=ONE.name)
    cast.fleet.hosts["n3"].restart()
    why = f"key {ONE.name} is not known here, key {TWO.name} is"
    cast.until(lambda: cast.fleet.hosts["n3"].stopped is not None)
    assert why in str(cast.fleet.hosts["n3"].stops[0][1].error)
    cast.until(lambda: any(why in event.text for event in told(cast, "n1", Trouble)))
    assert cast.engine("n1").membership.members["n3"].state.name == "DEAD"
    cast.fleet.hosts["n3"].keys = cast.fleet.hosts["n1"].keys
    cast.fleet.hosts["n3"].restart()
    cast.until(lambda: cast.engine("n1").membership.members["n3"].state.name == "ALIVE")


def test_a_node_that_missed_a_key_which_others_use_already_is_reached_and_given_it() -> None:
    cast = Cast(NAMES, keys=dict.fromkeys(NAMES, Keyring([ONE]))).start()
    for name in ("n1", "n2"):
        own, now = cast.engine(name).keys, cast.fleet.hosts[name].now
        own.add(now, {"key": TWO.text()})
        own.use(now, {"key": TWO.name})
    boss = operator(cast, ONE)
    assert keys(ask(cast, boss, "keys_add", key=TWO.text()))["n3"] == [ONE.name, TWO.name]


def test_a_mesh_without_keys_gets_one_while_it_lives() -> None:
    cast = Cast(NAMES).start()
    for name in NAMES:  # one after the other is started again with a key file
        cast.fleet.hosts[name].crash()
        cast.fleet.hosts[name].keys = Keyring([PLAIN, ONE]).text()
        cast.fleet.hosts[name].restart()
        cast.until(lambda: all(len(cast.engine(each).membership.alive()) == 2 for each in NAMES))
    boss = operator(cast, ONE)
    assert sorted(ask(cast, boss, "keys_add", key=TWO.text()).value["missing"]) == ["n2", "n3"]
    ask(cast, boss, "keys_use", key=ONE.name)
    ask(cast, boss, "keys_remove", key=TWO.name)
    assert keys(ask(cast, boss, "keys_remove", key="plain")) == everywhere(ONE)
    cast.run(10.0)
    assert all(len(cast.engine(each).membership.alive()) == 2 for each in NAMES)
    assert cast.client("n1", remote=True).expect(Goodbye).code == "KEY"


@pytest.mark.parametrize("sealed", [False, True])
def test_who_has_no_key_may_see_names_and_change_nothing(sealed: bool) -> None:
    cast = Cast(("n1",), keys={"n1": Keyring([ONE])})
    cast.fleet.start_all()
    talker = operator(cast, ONE) if sealed else cast.client("n1")
    talker.expect_up()
    assert keys(ask(cast, talker, "keys")) == {"n1": [ONE.name]}
    answer = ask(cast, talker, "keys_add", key=TWO.text())
    assert (answer.code == "") is sealed
    assert (answer.code == "KEY") is not sealed
    assert kept(cast, "n1").keys == ((ONE, TWO) if sealed else (ONE,))


def test_a_node_refuses_what_would_part_it() -> None:
    cast = Cast(("n1", "n2"), keys={"n1": Keyring([ONE])})
    cast.fleet.start_all()
    boss = operator(cast, ONE)
    boss.expect_up()
    for kind, key, why in (
        ("keys_remove", ONE.name, "is in use"),
        ("keys_use", TWO.name, f"there are {ONE.name}"),
        ("keys_add", "password", "no key"),
        ("keys_add", 7, "is a text"),
    ):
        answer = ask(cast, boss, kind, key=key)
        assert answer.code
        assert why in answer.value
    assert kept(cast, "n1") == Keyring([ONE])
