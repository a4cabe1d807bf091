"""Keys and rings as text, their names, and which changes a ring allows."""

from __future__ import annotations

import pytest

from meshq.errors import ConfigError
from meshq.wire.keyring import KEYS_MAX, PLAIN, Key, Keyring, read_key, read_keyring

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
    assert ring.remove(ONE.name) == Keyring([TWO])
    assert ring.remove("00000000") == ring


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
