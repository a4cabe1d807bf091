"""An embedded node for scripts: it joins when it is entered, and leaves when it is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshq import node as nodes
from meshq.blocking.mesh import Mesh


class Node(Mesh):
    """``meshq.Node`` without ``await``, with the same arguments."""

    def __init__(self, seeds: Sequence[str] = (), **settings: Any) -> None:
        settings.setdefault("loop", "shared")  # handlers run in the caller's thread: one more keeps nobody waiting
        node = nodes.Node(seeds, **settings)
        super().__init__(node, f"meshq:{node.name}:calls")
        self._node = node

    @property
    def name(self) -> str:
        """The node's name in the mesh."""
        return self._node.name

    @property
    def address(self) -> str:
        """Where other nodes and thin clients reach it, as host:port."""
        return self._node.address
