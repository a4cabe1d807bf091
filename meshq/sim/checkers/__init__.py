"""What must hold, one module each: the statement in words is the module's docstring.

A checker watches a stage while it is played, and looks once more at the end, when faults are over and everything
had time to settle. ``STANDARD`` are those that hold in every scenario, unless one says why not.
"""

from __future__ import annotations

from meshq.sim.checkers.accounts import Accounts
from meshq.sim.checkers.base import Checker
from meshq.sim.checkers.bounds import Bounds
from meshq.sim.checkers.copies import Copies
from meshq.sim.checkers.credit import Credit
from meshq.sim.checkers.delivery import NothingLost
from meshq.sim.checkers.draining import Draining
from meshq.sim.checkers.due import Due
from meshq.sim.checkers.existing import Existing
from meshq.sim.checkers.honest import Honest
from meshq.sim.checkers.kept import Kept
from meshq.sim.checkers.leases import OneLease
from meshq.sim.checkers.newcomers import Newcomers
from meshq.sim.checkers.once import NoRepeats
from meshq.sim.checkers.order import Order
from meshq.sim.checkers.paths import Paths
from meshq.sim.checkers.patience import Patience
from meshq.sim.checkers.remembered import Remembered
from meshq.sim.checkers.repeats import Repeats
from meshq.sim.checkers.rest import Rest
from meshq.sim.checkers.safe import Safe
from meshq.sim.checkers.settings import SetAlike
from meshq.sim.checkers.subscribed import Subscribed
from meshq.sim.checkers.tables import Tables
from meshq.sim.checkers.thrift import Thrift
from meshq.sim.checkers.tried import Tried
from meshq.sim.checkers.views import Views

STANDARD = (
    NothingLost, Safe, Remembered, Existing, Kept, Subscribed, Newcomers, Draining, Copies, Accounts, Credit, Thrift,
    OneLease, Repeats, Due, Tried, Patience, Paths, Views, Honest, Bounds, Tables, Rest, SetAlike,
)  # fmt: skip


__all__ = [
    "STANDARD", "Accounts", "Bounds", "Checker", "Copies", "Credit", "Draining", "Due", "Existing", "Honest", "Kept",
    "Newcomers", "NoRepeats", "NothingLost", "OneLease", "Order", "Paths", "Patience", "Remembered", "Repeats", "Rest",
    "Safe", "SetAlike", "Subscribed", "Tables", "Thrift", "Tried", "Views",
]  # fmt: skip
