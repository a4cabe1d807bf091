"""Chance, as machines are given it. ``random.Random`` fits; the simulator seeds one per machine."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

Entropy: TypeAlias = Callable[[int], bytes]
"""So many bytes that nobody can guess, for keys and nonces: an ``Rng`` that is watched for long can be guessed."""


class Rng(Protocol):
    """The part of ``random.Random`` that machines use. Never pick from a set: order would leak."""

    def random(self) -> float: ...

    def uniform(self, a: float, b: float) -> float: ...

    def randrange(self, stop: int, /) -> int: ...

    def getrandbits(self, k: int) -> int: ...

    def choice(self, seq: Sequence[T]) -> T: ...

    def sample(self, population: Sequence[T], k: int) -> list[T]: ...

    def shuffle(self, x: MutableSequence[Any]) -> None: ...
