"""What tests of a node share."""

from __future__ import annotations

from tests.disks import small_disk

__all__ = ["small_disk"]
