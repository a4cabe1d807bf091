"""Five nodes in five network namespaces: real loss, a real cut, a real firewall. The long form is in ``netns``."""

from __future__ import annotations

import pytest

from tests.endtoend import netns


def test_views_are_right_and_nothing_is_lost_through_loss_a_cut_and_a_firewall_without_udp() -> None:
    """One link is cut for longer than it may be silent; who lost a datagram, and how many, is chance."""
    if reason := netns.why_not():
        pytest.skip(reason)
    assert netns.play(loss_s=1.0, cut_s=6.0, no_udp_s=3.0) == ""
