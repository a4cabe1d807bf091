"""Topic and channel against plain dictionaries, 20,000 steps of it; and proof that the model can fail.

``python -m tests.properties.topic --steps 1000000`` searches at large.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.broken_topics import RULES, broken
from tests.properties.topic_machine import TopicMachine

REPOSITORY = Path(__file__).parents[2]
BROKEN = settings(
    max_examples=5_000,  # which examples Hypothesis tries depends on what else is imported
    stateful_step_count=50,
    phases=[Phase.generate],
    database=None,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    print_blob=False,
)


@pytest.mark.parametrize("seed", ["1", "1001"])
def test_twenty_thousand_steps_do_what_dictionaries_say(seed: str) -> None:
    """In a process of its own: what it imports does not depend on other tests, so the steps are always the same."""
    command = [sys.executable, "-m", "tests.properties.topic", "--steps", "10000", "--seed", seed]
    run = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, text=True)
    again = f"{' '.join(command[1:])} fails:\n{run.stdout}{run.stderr[-12_000:]}"
    assert run.returncode == 0, again


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_broken_on_purpose_is_caught(rule: str) -> None:
    with broken(rule), pytest.raises((AssertionError, KeyError, IndexError, ExceptionGroup)):
        run_state_machine_as_test(TopicMachine, settings=BROKEN)
