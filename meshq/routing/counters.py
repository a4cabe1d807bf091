"""What routing counts: one small object, read by every view."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """All since the start of the node."""

    announces_sent: int = 0
    """Packets, first and repeated ones."""
    announces_repeated: int = 0
    """Members that had to be told again."""
    announces_given_up: int = 0
    """Members that did not acknowledge and were left to repair."""
    announces_received: int = 0
    gaps: int = 0
    """Announcements that came before what precedes them; each is asked for."""
    pulls: int = 0
    """Interest asked for from its owner."""
    repairs: int = 0
    """Catalog digests sent."""
    catalogs_sent: int = 0
    """Whole catalogs given to newcomers."""
    catalogs_refused: int = 0
    """Newcomers not served because too many were being served."""
    strangers: int = 0
    """Packets of nodes, or epochs of nodes, that membership does not know."""
    catalog_refused: int = 0
    """Names of others that the limits kept out."""
    interest_refused: int = 0
    """Interest of others that the limits kept out."""
