"""Links lead somewhere, decisions have their form, and what the guarantees name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from meshq.broker.why import Why
from meshq.sim.run import NAMES
from tests.architecture.source import REPOSITORY
from tests.docs.pages import PAGES, anchors, prose

DECISIONS = sorted((REPOSITORY / "docs" / "adr").glob("0*.md"))


def name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    for path in re.findall(r"`((?:meshq|tests|docs|simulations)/[\w./-]*\w/?)`", prose(page)):
        assert (REPOSITORY / path).exists(), path


@pytest.mark.parametrize("page", DECISIONS, ids=name)
def test_a_decision_has_context_options_decision_and_what_would_change_it(page: Path) -> None:
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {"Context", "Decision", "What would change our mind"} <= {*headings}
    assert any(heading.startswith("Options") for heading in headings)
    assert page.name in (page.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    for path, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text(encoding="utf-8")):
        source = (REPOSITORY / path).read_text(encoding="utf-8")
        assert re.search(rf"^ *(async )?def {test}\b|^class {test}\b|^{test} = ", source, flags=re.MULTILINE), test


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_simulation_that_a_page_names_exists(page: Path) -> None:
    for simulation in re.findall(r"[Ss]imulation `([\w-]+)`", page.read_text(encoding="utf-8")):
        assert simulation in NAMES, simulation


def test_every_finding_has_a_line_that_says_what_to_do() -> None:
    page = (REPOSITORY / "docs" / "howto-inside.md").read_text(encoding="utf-8")
    table = "".join(line for line in page.splitlines() if line.startswith("|"))
    assert [why.name for why in Why if f"`{why.name}`" not in table] == []


def test_every_word_has_one_line_in_the_glossary() -> None:
    rows = re.findall(
        r"^\| ([^|]+) \|", (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    words = [row.strip() for row in rows]
    assert len(words) == len({*words})
    assert "lease" in words
