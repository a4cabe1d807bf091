"""Who changes the keys of a simulated mesh, again and again, as ``meshq keys`` does: add, use, remove.

Decides each step by what all nodes say, as ``client.keys`` does, and repeats one that did not get through. Hosts that
were away while a key went get a copy of the key file, and start again if they run, as somebody must see to it.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.client.keys import KeyReport
from meshq.engine.engine import Engine
from meshq.sim.clients import Admin
from meshq.sim.fleet import Fleet
from meshq.sim.host import Host
from meshq.sim.ledger import Ledger
from meshq.wire.frames import Answer
from meshq.wire.keyring import SECRET_BYTES, Key

STEP_S: Final = 0.5
REST_S: Final = 1.0


class Operator(Admin):
    """``rotations`` counts the keys that were replaced everywhere."""

    def __init__(self, fleet: Fleet, ledger: Ledger, name: str, node: str) -> None:
        super().__init__(fleet, ledger, name, node, roaming=True)
        self.sealed = True
        self.rotations = 0
        self._new: Key | None = None
        self._done = False
        self._look = 0

    def rotate(self) -> None:
        """Begin: look who has what, and do what is next; again until settled down."""
        if self._done and not self.busy:
            return
        self._let_in()
        self._look = self.ask("keys", {"mesh": True})
        self._world.after(STEP_S, self.rotate)

    def settle_down(self) -> None:
        """Bring the rotation to its end, and begin no other."""
        self._done = True

    @property
    def busy(self) -> bool:
        """Whether a rotation is under way."""
        return self._new is not None or bool(self._outside())

    def _answered(self, frame: Answer) -> None:
        super()._answered(frame)
        if frame.number == self._look and not frame.code and not frame.value["missing"]:
            self._step(KeyReport({name: told["keys"] for name, told in frame.value["nodes"].items()}, []))

    def _step(self, report: KeyReport) -> None:
        if self._new is None:
            if not self._done:
                self._new = Key(self._rng.randbytes(SECRET_BYTES))
            return
        name = self._new.name
        old = [key for keys in report.nodes.values() for key in keys if key != name]
        if report.lacking(name):
            self._change("keys_add", key=self._new.text())
        elif len(report.using(name)) < len(report.nodes):
            self._change("keys_use", key=name)
        elif old:
            self._change("keys_remove", key=old[0])
        else:
            self.rotations += 1
            self._new = None
            for name, host in self._fleet.hosts.items():
                if name not in report.nodes:
                    host.keys = self._fleet.hosts[self.node].keys

    def _change(self, kind: str, **arguments: Any) -> None:
        self.ask(kind, {"mesh": True, **arguments})

    def _outside(self) -> list[str]:
        """The hosts whose process has no key in common with the node that is asked: it started while its key went."""
        inside = _names(self._fleet.hosts[self.node])
        running = [name for name, host in self._fleet.hosts.items() if _names(host)]
        return [name for name in running if inside and not _names(self._fleet.hosts[name]) & inside]

    def _let_in(self) -> None:
        for name in self._outside():
            self._fleet.hosts[name].keys = self._fleet.hosts[self.node].keys
            self._fleet.crash(name)
            self._fleet.restart(name, "kept")


def _names(host: Host) -> set[str]:
    """The keys of the node that runs there."""
    machine = host.machine
    return {key.name for key in machine.keys.ring.keys} if isinstance(machine, Engine) and machine.keys.ring else set()
