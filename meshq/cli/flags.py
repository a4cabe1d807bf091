"""Values of a node's flags that are wrong whatever else is set: wrong use, said before anything is read or started.

Whoever uses a value checks it for all its sources; these are the same checks. What is heavy is imported only for a flag
that was given.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

from meshq.errors import ConfigError
from meshq.machine.settings import LEVELS


def label(text: str | None) -> str | None:
    """A label, if one is given."""
    if text == "":
        raise typer.BadParameter("a label has 1 to 64 characters; leave it out for meshq")
    return text


def level(text: str) -> str:
    """A durability."""
    if text and text not in LEVELS:
        raise typer.BadParameter(f"{text!r} is no level: give {', '.join(LEVELS)}")
    return text


def profile(text: str) -> str:
    """A profile of membership."""
    if text:
        from meshq.config import membership_profile

        _check(membership_profile, text)
    return text


def size(text: str) -> str:
    """A size in bytes."""
    if text:
        from meshq.cli.storage import size_bytes

        _check(size_bytes, text)
    return text


def seeds(texts: list[str] | None) -> list[str] | None:
    """Seeds as they are written."""
    if texts:
        from meshq.membership.seeds import parse

        for text in texts:
            _check(parse, text)
    return texts


def _check(reader: Callable[[str], object], text: str) -> None:
    try:
        reader(text)
    except ConfigError as exc:
        raise typer.BadParameter(str(exc)) from exc
