"""What must hold, one module each: the statement in words is the module's docstring.

A checker watches a stage while it is played, and looks once more at the end, when faults are over and everything
had time to settle. ``STANDARD`` are those that hold in every scenario, unless one says why not.
"""

from __future__ import annotations

from meshq.sim.checkers.base import Checker
from meshq.sim.checkers.bounds import Bounds
from meshq.sim.checkers.credit import Credit
from meshq.sim.checkers.delivery import NothingLost
from meshq.sim.checkers.leases import OneLease
from meshq.sim.checkers.order import NoRepeats, Order
from meshq.sim.checkers.paths import Paths
from meshq.sim.checkers.repeats import Repeats
from meshq.sim.checkers.rest import Rest
from meshq.sim.checkers.views import Views

STANDARD = (NothingLost, Credit, OneLease, Repeats, Paths, Views, Bounds, Rest)


__all__ = [
    "STANDARD", "Bounds", "Checker", "Credit", "NoRepeats", "NothingLost", "OneLease", "Order", "Paths", "Repeats",
    "Rest", "Views",
]  # fmt: skip
