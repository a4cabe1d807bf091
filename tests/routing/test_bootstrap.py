"""Whose catalog counts as the mesh's."""

from __future__ import annotations

from random import Random

from meshq.names import Epoch
from meshq.routing.bootstrap import Bootstrap
from meshq.wire.interest import CatalogPart

ALONE_AFTER_S = 3.0


def bootstrap() -> Bootstrap:
    return Bootstrap("n1", Epoch(1, 1), Random(1), ALONE_AFTER_S)


def test_a_node_without_seeds_has_the_mesh_s_catalog_from_the_start() -> None:
    assert bootstrap().settled(0.0)


def test_a_node_with_seeds_that_has_asked_nobody_yet_knows_nothing_until_it_is_alone() -> None:
    newcomer = bootstrap()
    newcomer.begin(10.0)
    assert not newcomer.settled(10.0)
    assert not newcomer.settled(12.9)
    assert newcomer.settled(13.0)


def test_it_counts_from_its_first_question_once_there_is_somebody_to_ask() -> None:
    newcomer = bootstrap()
    newcomer.begin(10.0)
    newcomer.ask(12.0)
    newcomer.ask(14.0)
    assert not newcomer.settled(14.9)
    assert newcomer.settled(15.0)


def test_an_answer_from_a_newcomer_is_taken_and_makes_nobody_ready() -> None:
    asker = bootstrap()
    asker.begin(0.0)
    for settled in (False, True):
        asker.ask(0.1)
        number = next(iter(asker._pulls))
        assert asker.part(0.2, CatalogPart(number, 0, True, settled, [], []))
        assert asker.ready == settled
