"""What a process on a simulated host is started with, and what else may be in it.

Only words that ``host``, ``driver`` and those who build machines share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from meshq.machine.effects import Address
from meshq.machine.rng import Rng
from meshq.machine.store import Recovered
from meshq.names import Epoch
from meshq.runtime.contract import Driven
from meshq.wire.keyring import Secrecy

Machine: TypeAlias = Driven
"""What a host drives: the engine, or a small machine in a test."""


@dataclass(frozen=True, slots=True)
class Start:
    """What one start of a process is given to build its machine from."""

    name: str
    number: int
    epoch: Epoch
    rng: Rng
    bound: Address
    recovered: Recovered | None = None
    """What the host's store kept; None on a host without one."""
    secrecy: Secrecy | None = None
    """The keys in the host's key file; None on a host without one."""


Build: TypeAlias = Callable[[Start], Machine]
Change: TypeAlias = Literal["started", "crashed", "powered off", "paused", "resumed", "stopped"]
"""What becomes of a process: ``stopped`` when its machine asked for it."""


class Guest(Protocol):
    """A program of which the host's process is more than its machine: a service around a node, or beside one."""

    @property
    def alive(self) -> bool:
        """Whether its process runs (it may be paused)."""

    def boot(self) -> None:
        """The process starts: the program begins anew, and has the host start a machine if it wants one."""

    def died(self) -> None:
        """The process is gone, in the middle of whatever it did."""

    def resumed(self) -> None:
        """The process goes on after a pause."""
