"""Meshes in virtual time: test a service against crashes, partitions and slow nodes, in milliseconds and by seed.

::

    from meshq.sim import Mesh

    mesh = Mesh(nodes=5, seed=7)
    mesh.run(main())

``Mesh`` has the hosts, the nodes and the hand of fate; the faults can be planned as values too (``Mesh.befall``).
Everything is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from meshq.sim.faults import Crash as Crash
    from meshq.sim.faults import DiskFull as DiskFull
    from meshq.sim.faults import Drain as Drain
    from meshq.sim.faults import Fault as Fault
    from meshq.sim.faults import Flap as Flap
    from meshq.sim.faults import LinkCut as LinkCut
    from meshq.sim.faults import OneWay as OneWay
    from meshq.sim.faults import Partition as Partition
    from meshq.sim.faults import Pause as Pause
    from meshq.sim.faults import Skew as Skew
    from meshq.sim.faults import Slow as Slow
    from meshq.sim.faults import SlowDisk as SlowDisk
    from meshq.sim.faults import SlowReader as SlowReader
    from meshq.sim.faults import Starve as Starve
    from meshq.sim.faults import Storm as Storm
    from meshq.sim.mesh import Happened as Happened
    from meshq.sim.mesh import Mesh as Mesh
    from meshq.sim.network import Weather as Weather

_HOMES: Final = {
    "meshq.sim.faults": (
        "Crash DiskFull Drain Fault Flap LinkCut OneWay Partition Pause Skew Slow SlowDisk SlowReader Starve Storm"
    ),
    "meshq.sim.mesh": "Happened Mesh",
    "meshq.sim.network": "Weather",
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'meshq.sim' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
