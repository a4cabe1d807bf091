"""What every test shares: Hypothesis without a deadline (hosts differ), and how many examples it draws.

``MESHQ_EXAMPLES=20`` draws twenty times as many, for a night's search.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "meshq",
    deadline=None,
    max_examples=60 * int(os.environ.get("MESHQ_EXAMPLES", "1")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("meshq")
