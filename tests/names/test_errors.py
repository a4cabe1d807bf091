"""The tree of errors, and its way across a socket."""

from __future__ import annotations

import inspect

import pytest

from meshq import errors
from meshq.errors import InvalidMessage, InvalidName, LevelUnavailable, MeshError, Overloaded, refusal

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, MeshError)]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_drawn_in_the_tree_with_what_it_left_behind(kind: type[MeshError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")
    assert kind.__doc__


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("BAD_TOPIC", InvalidName), ("TOO_BIG", InvalidMessage), ("EMPTY", InvalidMessage), ("FULL", Overloaded),
        ("STARTING", Overloaded), ("DRAINING", Overloaded), ("LEVEL", LevelUnavailable),
    ],
)  # fmt: skip
def test_a_refusal_becomes_its_class_again(code: str, kind: type[MeshError]) -> None:
    error = refusal(code, "no", "memory_bytes_max")
    assert type(error) is kind
    assert error.code == code
    assert str(error) == "no"


def test_an_overload_names_the_limit_that_said_no() -> None:
    error = refusal("FULL", "no", "memory_bytes_max")
    assert isinstance(error, Overloaded)
    assert error.limit == "memory_bytes_max"


def test_a_code_of_a_later_version_is_a_plain_error_that_keeps_it() -> None:
    error = refusal("NOT_YET_INVENTED", "no")
    assert type(error) is MeshError
    assert error.code == "NOT_YET_INVENTED"


def test_a_wrong_name_is_also_a_value_error() -> None:
    assert issubclass(InvalidName, ValueError)
    assert issubclass(InvalidMessage, ValueError)
