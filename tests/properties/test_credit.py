"""The credit protocol under everything that may happen to it; and proof that the test can fail.

``MESHQ_EXAMPLES=50`` searches fifty times as long.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.broken_rules import RULES, broken
from tests.properties.credit_machine import CreditMachine
from tests.pure import pure_only

pytestmark = pure_only

TestCredit = CreditMachine.TestCase
TestCredit.settings = settings(max_examples=3 * settings().max_examples)

SEARCH = settings(
    max_examples=20_000,  # most rules take a few hundred; which ones Hypothesis tries depends on what else is imported
    phases=[Phase.generate],
    database=None,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    print_blob=False,
)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_broken_on_purpose_is_caught(rule: str) -> None:
    with broken(rule), pytest.raises((AssertionError, KeyError, IndexError, ExceptionGroup)):
        run_state_machine_as_test(CreditMachine, settings=SEARCH)
