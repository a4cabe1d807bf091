"""Topic and channel against plain dictionaries, 20,000 steps of it; and proof that the model can fail.

``python -m tests.properties.topic --steps 1000000`` searches at large.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.broken_topics import RULES, broken
from tests.properties.topic import SEARCH
from tests.properties.topic_machine import Steps, TopicMachine

STEPS = 20_000
ROUND = settings(SEARCH, max_examples=130, derandomize=True, phases=[Phase.generate])
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


@pytest.mark.parametrize("half", [1, 2])
def test_twenty_thousand_steps_do_what_dictionaries_say(half: int) -> None:
    before = Steps.done
    machine = type(f"TopicMachine{half}", (TopicMachine,), {})
    for more in range(5):  # a round is as long as Hypothesis makes it; each of another class draws others
        run_state_machine_as_test(type(f"{machine.__name__}{more}", (machine,), {}), settings=ROUND)
        if Steps.done - before >= STEPS // 2:
            break
    assert Steps.done - before >= STEPS // 2, "not so many steps were done"


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_broken_on_purpose_is_caught(rule: str) -> None:
    with broken(rule), pytest.raises((AssertionError, KeyError, IndexError, ExceptionGroup)):
        run_state_machine_as_test(TopicMachine, settings=BROKEN)
