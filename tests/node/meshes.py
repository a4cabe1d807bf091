"""Small real meshes for the tests of this folder: embedded nodes on loopback, quick to join and to leave."""

from __future__ import annotations

from typing import Any

from meshq import Config, Node
from meshq.config import LinkConfig, MembershipConfig

QUICK = Config(name="unnamed", membership=MembershipConfig(seed_retry_min_s=0.05), link=LinkConfig())


def quick_node(*seeds: str, **settings: Any) -> Node:
    """A node on a free port of loopback that does not drain when it is closed."""
    settings = {"bind": "127.0.0.1", "port": 0, "drain_timeout_s": 0, "config": QUICK, **settings}
    return Node(seeds, **settings)
