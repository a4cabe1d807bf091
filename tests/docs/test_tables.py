"""The tables of the reference pages say what the code does."""

from __future__ import annotations

import pytest

from tests.docs.tables import DOCS, TABLES, filled


@pytest.mark.parametrize(("page", "mark"), TABLES, ids="-".join)
def test_the_table_is_as_the_code_has_it(page: str, mark: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert filled(text, mark, TABLES[page, mark]()) == text, "run: python -m tests.docs.tables"
