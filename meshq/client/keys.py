"""The keys of a mesh: who has which, and a change of them on every node, in an order that parts nobody.

A key is added everywhere, then used, then the old one removed. Each step is checked against what all nodes say first,
and each node refuses by itself what would part it. Decides what a step needs of the others; what a change does to a
node is ``engine.keys``'s. Keys travel over sealed streams only: whoever changes them has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from meshq.errors import MeshError
from meshq.wire.keyring import PLAIN, Key

if TYPE_CHECKING:
    from meshq.client.mesh import Mesh

ASK_S: Final = 5.0
"""How long the nodes of the mesh have to answer."""


@dataclass(frozen=True, slots=True)
class KeyReport:
    """Which keys each node has, by name and the one in use first; and the nodes that did not answer."""

    nodes: dict[str, list[str]]
    missing: list[str]

    def lacking(self, key: str) -> list[str]:
        """The nodes that have not that key."""
        return [node for node, keys in self.nodes.items() if key not in keys]

    def using(self, key: str) -> list[str]:
        """The nodes that seal with that key; with ``plain``: that seal with none."""
        return [node for node, keys in self.nodes.items() if (keys or [PLAIN.name])[0] == key]


class Keys:
    """The keys of every node. Made by ``mesh.keys``."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    async def list(self) -> KeyReport:
        """Ask all nodes."""
        return await self._ask("keys", {})

    async def add(self, key: Key) -> KeyReport:
        """Have every node take what is sealed with ``key`` as well; the report says who does by now."""
        await self._ask("keys_add", {"key": key.text()})
        return await self.list()

    async def use(self, key: str) -> KeyReport:
        """Have every node seal with the key of that name.

        Raises MeshError (code KEYS), with nothing changed, unless every node has answered that it has the key.
        """
        report = await self._answered()
        if lacking := report.lacking(key):
            raise _refused(f"{_named(lacking)} not have key {key}: `meshq keys add` first, or the right name")
        await self._ask("keys_use", {"key": key})
        return await self.list()

    async def remove(self, key: str) -> KeyReport:
        """Have every node forget the key of that name; what it had sealed is not taken any more.

        Raises MeshError (code KEYS), with nothing changed, while a node uses it, or has not answered.
        """
        report = await self._answered()
        if using := report.using(key):
            raise _refused(f"{', '.join(using)} still {'use' if len(using) > 1 else 'uses'} key {key}: "
                           "have all use another first (`meshq keys use KEY`)")  # fmt: skip
        if len(report.lacking(key)) == len(report.nodes):
            raise _refused(f"no node has a key {key}: `meshq keys list` names them")
        await self._ask("keys_remove", {"key": key})
        return await self.list()

    async def _answered(self) -> KeyReport:
        report = await self.list()
        if report.missing:
            raise _refused(f"no answer from {', '.join(report.missing)}: nothing was changed; try again, or wait until "
                           "the mesh holds it dead")  # fmt: skip
        return report

    async def _ask(self, kind: str, arguments: dict[str, Any]) -> KeyReport:
        answer = await self._mesh.ask(kind, {**arguments, "mesh": True}, timeout_s=ASK_S)
        try:
            nodes = {str(name): [str(key) for key in told["keys"]] for name, told in answer["nodes"].items()}
            return KeyReport(dict(sorted(nodes.items())), [str(name) for name in answer["missing"]])
        except (KeyError, TypeError, AttributeError):
            raise MeshError("the node does not know of keys: it is of an earlier version") from None


def _named(nodes: list[str]) -> str:
    return f"{', '.join(nodes)} {'does' if len(nodes) == 1 else 'do'}"


def _refused(why: str) -> MeshError:
    return MeshError(why, code="KEYS")
