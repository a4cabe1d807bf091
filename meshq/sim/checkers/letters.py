"""What dead letters say is true, and there are no others: each is of a message that came back as often as the limit, or
more often, on the channel it names, with an error that a consumer gave; a message that nobody refuses has one only
where its consumers' processes may have died with it.

That all poison ends there is the statement of ``delivery``: nobody else finishes it.
"""

from __future__ import annotations

from collections import Counter

from meshq.sim.checkers.base import Checker
from meshq.sim.faults import Crash, Drain
from meshq.sim.queueing import ERROR, POISON, Mourner

LIMIT = 3
"""The attempts limit in the scenarios that have this checker."""


class Letters(Checker):
    """Reads what the mourners got."""

    def at_end(self, settled: bool) -> None:
        letters = [letter for each in self.stage.consumers if isinstance(each, Mourner) for letter in each.letters]
        deaths = any(isinstance(fault, Crash | Drain) for fault in self.stage.plan)
        for letter in letters:
            said = letter.said
            if said["reason"] != "attempts" or int(said["attempts"]) < LIMIT:
                self.find(f"the dead letter of {letter.name!r} says {said}")
            elif not letter.name.endswith(POISON) and not deaths:
                self.find(f"{letter.name!r} was refused by nobody and is a dead letter: {said}")
            elif letter.name.endswith(POISON) and not deaths and not _told(said):
                self.find(f"the dead letter of {letter.name!r} does not say what its consumers did: {said}")
        if not self.stage.plan:
            counted = Counter((letter.name, letter.said["channel"]) for letter in letters)
            for (name, channel), count in counted.items():
                if count > 1:
                    self.find(f"{name!r} has {count} dead letters of {channel}")


def _told(said: dict[str, str]) -> bool:
    """Whether a consumer's words are in it: one that never finishes has the message once at most."""
    return any(said.get(name, "").startswith(ERROR) for name in ("first-error", "last-error"))
