"""Keys and rings as text, their names, and which changes a ring allows."""

from __future__ import annotations

import pytest

from meshq.errors import ConfigError
from meshq.wire.keyring import KEYS_MAX, PLAIN, REMOVED_MAX, Key, Keyring, read_key, read_keyring

ONE, TWO = Key(bytes(range(32))), Key(bytes(32))


def test_a_key_reads_back_from_its_text_and_its_name_tells_nothing_of_it() -> None:
    assert read_key(ONE.text()) == ONE
    assert read_key(PLAIN.text()) == PLAIN
    assert ONE.text().startswith("mq1_")
    assert len(ONE.name) == 8
    assert ONE.name not in ONE.text()
    assert ONE.text()[4:] not in repr(Keyring([ONE]))


def test_the_name_and_number_of_a_key_never_change() -> None:
    assert (ONE.name, ONE.number) == ("2b2acad4", 245)
    assert (PLAIN.name, PLAIN.number) == ("plain", 0)


def test_no_two_purposes_share_a_key() -> None:
    assert len({ONE.derive(b"gossip"), ONE.derive(b"link"), TWO.derive(b"gossip")}) == 3
    assert ONE.derive(b"link") == ONE.derive(b"link")


@pytest.mark.parametrize(
    "text", ["", "mq1_", "mq1_abc", ONE.text()[:-1], ONE.text() + "A", "mq2_" + ONE.text()[4:], "é"]
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_key(text)
    assert not text or text not in str(caught.value) or text in ("mq1_",)


def test_a_file_is_read_by_lines_with_comments_and_a_variable_by_commas() -> None:
    assert read_keyring(f"# ours\n{ONE.text()}  # in use\n\nplain\n", "f").keys == (ONE, PLAIN)
    assert read_keyring(f"{TWO.text()}, {ONE.text()}", "$MESHQ_KEYS").keys == (TWO, ONE)
    assert read_keyring(Keyring([TWO, ONE]).text(), "f") == Keyring([TWO, ONE])


def test_a_wrong_line_is_named_by_its_number_and_kept_secret() -> None:
    with pytest.raises(ConfigError, match=r"keys\.txt, line 2: no key") as caught:
        read_keyring(f"{ONE.text()}\nmy-password\n", "keys.txt")
    assert "password" not in str(caught.value)


def test_a_ring_holds_a_key_none_twice_and_not_too_many() -> None:
    for keys in ([], [PLAIN], [ONE, ONE], [Key(bytes([n]) * 32) for n in range(KEYS_MAX + 1)]):
        with pytest.raises(ConfigError):
            Keyring(keys)


def test_a_rotation_adds_uses_and_removes() -> None:
    ring = Keyring([ONE]).add(TWO)
    assert ring.in_use == ONE
    assert ring.add(TWO) == ring
    ring = ring.use(TWO.name)
    assert ring.keys == (TWO, ONE)
    assert ring.remove(ONE.name) == Keyring([TWO], [ONE.name])
    assert ring.remove("00000000") == Keyring([TWO, ONE], ["00000000"])


def test_the_key_in_use_stays_and_an_unknown_one_is_not_used() -> None:
    with pytest.raises(ConfigError, match="is in use"):
        Keyring([ONE, TWO]).remove(ONE.name)
    with pytest.raises(ConfigError, match=f"there are {ONE.name}"):
        Keyring([ONE]).use(TWO.name)


def test_a_mesh_without_keys_gets_one_in_the_same_steps() -> None:
    ring = Keyring([PLAIN, ONE])
    assert ring.in_use == PLAIN
    assert ring.own == ONE
    assert ring.takes_plain
    with pytest.raises(ConfigError):
        ring.remove(ONE.name)
    assert not ring.use(ONE.name).remove("plain").takes_plain


def test_a_removed_key_is_remembered_and_does_not_come_back() -> None:
    ring = Keyring([TWO, ONE]).remove(ONE.name).remove(ONE.name)
    assert ring.removed == (ONE.name,)
    assert read_keyring(ring.text(), "file") == ring
    assert read_keyring(ring.text().replace("\n", ","), "variable") == ring
    with pytest.raises(ConfigError, match=f"key {ONE.name} was removed from this mesh"):
        ring.add(ONE)


def test_of_removed_keys_the_latest_are_remembered() -> None:
    ring = Keyring([ONE])
    for number in range(2 * REMOVED_MAX):
        ring = ring.remove(f"{number:08}")
    assert ring.removed == tuple(f"{number:08}" for number in range(REMOVED_MAX, 2 * REMOVED_MAX))


def test_who_hears_of_a_removal_over_another_key_of_its_own_uses_that_one() -> None:
    three = Key(bytes([3]) * 32)
    away = Keyring([ONE, TWO, three])
    after = away.after([ONE.name], TWO.name)
    assert after == Keyring([TWO, three], [ONE.name])
    assert after.after([ONE.name], TWO.name) == after
    assert away.after([three.name], TWO.name) == Keyring([ONE, TWO], [three.name])
    assert Keyring([PLAIN, ONE]).after(["plain"], ONE.name) == Keyring([ONE], ["plain"])


def test_a_removal_told_over_the_removed_key_or_over_none_of_the_ring_changes_nothing() -> None:
    ring = Keyring([ONE, TWO])
    assert ring.after([ONE.name], ONE.name) == ring
    assert ring.after([ONE.name], "") == ring
    assert ring.after([ONE.name], "00000000") == ring
    assert Keyring([ONE], [TWO.name]).after([ONE.name], TWO.name).keys == (ONE,)
