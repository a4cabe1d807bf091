"""Seeds as people write them."""

from __future__ import annotations

import pytest

from meshq.errors import ConfigError
from meshq.membership.seeds import Seed, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1", ("10.0.0.1", 4155)),
        ("10.0.0.1:5000", ("10.0.0.1", 5000)),
        ("seed.example.net", ("seed.example.net", 4155)),
        ("seed.example.net:1", ("seed.example.net", 1)),
        (" localhost ", ("localhost", 4155)),
        ("[fd00::1]:5000", ("fd00::1", 5000)),
        ("[fd00::1]", ("fd00::1", 4155)),
        ("fd00::1", ("fd00::1", 4155)),
        ("::1", ("::1", 4155)),
    ],
)
def test_a_seed_is_a_host_and_perhaps_a_port(text: str, address: tuple[str, int]) -> None:
    assert parse(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":4155",
        "a:",
        "a:b",
        "a:0",
        "a:65536",
        "a:-1",
        "a:١",
        "[fd00::1",
        "[fd00::1]5",
        "[fd00::1]:",
        "[a]:1",
        "a:b:c",
        "a b",
        "http://a",
    ],
)
def test_anything_else_is_refused_with_the_seed_in_the_text(text: str) -> None:
    with pytest.raises(ConfigError, match="seed"):
        parse(text)


def test_a_scheme_is_to_be_left_out() -> None:
    with pytest.raises(ConfigError, match="leave out http://, a seed is"):
        parse("http://localhost:14155")


def test_the_waits_double_up_to_their_limit() -> None:
    seed = Seed(0, "a", 0.5)
    assert [seed.rest(15.0) for _ in range(8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert seed.patience_s == 5.0
