"""What a planted bug is: where it is planted, how it departs from the right code, who should find it.

Decides nothing about the search (``search``) nor about how the table looks (``table``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import getdoc, getsourcefile
from pathlib import Path
from typing import Any, Final, TypeAlias
from unittest.mock import patch

from tests.architecture.source import REPOSITORY

Code: TypeAlias = Callable[..., Any]
Strike: TypeAlias = Callable[[], None]
Wrong: TypeAlias = Callable[[Code, Strike], Code]


@dataclass(slots=True)
class Bug:
    """A bug that can be planted; ``strikes`` counts how often it did something wrong."""

    name: str
    words: str
    owner: Any
    attribute: str
    wrong: Wrong
    scenarios: tuple[str, ...]
    """Expected to find it, the likeliest first."""
    part: str
    covered: str
    """What makes it harmless, as a sentence; empty when nothing is known to."""
    strikes: int = field(default=0, compare=False)

    @property
    def place(self) -> str:
        """Which code is wrong."""
        path = Path(getsourcefile(self.owner) or "").relative_to(REPOSITORY)
        where = f"{self.owner.__name__}." if isinstance(self.owner, type) else ""
        return f"`{path}` `{where}{self.attribute}`"

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Within it the code is wrong, in every engine that is built or runs."""
        self.strikes = 0
        right = vars(self.owner)[self.attribute]
        function: Any = right.fget if isinstance(right, property) else right
        wrong: Any = self.wrong(function, self._strike)
        with patch.object(self.owner, self.attribute, property(wrong) if isinstance(right, property) else wrong):
            yield

    def _strike(self) -> None:
        self.strikes += 1


BUGS: Final[dict[str, Bug]] = {}


def bug(owner: Any, attribute: str, *scenarios: str) -> Callable[[Wrong], Wrong]:
    """Make a function the bug of its name: wrong code in place of ``owner.attribute``."""

    def register(wrong: Wrong) -> Wrong:
        words, _, covered = (" ".join(text.split()) for text in (getdoc(wrong) or "").partition("\n\n"))
        part = wrong.__module__.rsplit(".", 1)[-1]
        BUGS[wrong.__name__] = Bug(wrong.__name__, words, owner, attribute, wrong, scenarios, part, covered)
        return wrong

    return register
