"""Wrong rules of handing over: who has a log when, and what its taker is told."""

from __future__ import annotations

from typing import Any

from meshq.broker.giving import Giver
from meshq.broker.reading import Reading
from meshq.broker.taking import Taker
from meshq.broker.topic import Topic
from meshq.engine import recovery
from tests.simulations.mutations.bug import Code, Strike, bug


@bug(Giver, "_cede", "drain-taker-killed")
def a_log_is_forgotten_before_its_taker_has_kept_it(right: Code, strike: Strike) -> Code:
    """The giver forgets the log when it has said everything, not when it hears that everything is kept."""

    def cede(giver: Giver, gift: Any) -> None:
        strike()
        right(giver, gift)
        giver._forget(gift)

    return cede


@bug(Taker, "place", "drain-handed", "drain-in-memory")
def what_is_finished_is_not_handed_over(right: Code, strike: Strike) -> Code:
    """A channel begins anew in a log that its node took over."""

    def place(taker: Taker, peer: Any, frame: Any) -> None:
        if frame.finished:
            strike()
        right(taker, peer, frame._replace(finished=[]))

    return place


@bug(Taker, "cede", "drain-taker-killed")
def a_taker_confirms_before_it_has_stored(right: Code, strike: Strike) -> Code:
    """The taker says that the log is its own before its store has everything."""

    def cede(taker: Taker, peer: Any, frame: Any) -> None:
        take = taker._takes.get((peer.name, frame.transfer))
        right(taker, peer, frame)
        if take is not None and take.durable and not take.over:
            strike()
            taker.kept(take, frame.number)

    return cede


@bug(Topic, "inherit", "drain-handed", "drain-in-memory")
def messages_get_other_ids_with_their_new_holder(right: Code, strike: Strike) -> Code:
    """A log that was taken over bears its taker's name."""

    def inherit(topic: Topic, kept: Any, **how: Any) -> Any:
        strike()
        name = kept.log._replace(origin=topic._turn.config.name)
        return right(topic, kept._replace(log=name), written=False)

    return inherit


@bug(recovery, "whole", "drain-taker-killed")
def half_a_log_is_served_after_a_restart(right: Code, strike: Strike) -> Code:
    """A start serves what its store has of a log that was still on its way."""

    def whole(recovered: Any) -> Any:
        if right(recovered)[1]:
            strike()
        return recovered, []

    return whole


@bug(Reading, "_ask", "drain-spilled")
def what_lies_in_the_store_only_is_not_handed_over(right: Code, strike: Strike) -> Code:
    """A giver hands over what is in its memory."""

    def ask(reading: Reading, start: int, stop: int, *, deferred: bool) -> None:
        strike()
        reading._at = stop

    return ask
