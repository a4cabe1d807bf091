"""News: one sequence of versions over interest and used names; what follows a version, and what is forgotten."""

from __future__ import annotations

from meshq.routing.news import REMOVALS_MAX, Item, News

X, Y = ("t", "x"), ("t", "y")


def test_what_follows_a_version_is_listed_once_per_name_in_order() -> None:
    news = News()
    news.set_consumers(X, 1)
    news.set_consumers(Y, 1)
    news.note("t", "x")
    news.set_consumers(X, 2)
    assert news.since(0) == [Item(2, Y, False), Item(3, X, True), Item(4, X, False)]
    assert news.since(3) == [Item(4, X, False)]
    assert news.since(4) == []


def test_a_removal_is_news_until_everybody_has_it() -> None:
    news = News()
    news.set_consumers(X, 1)
    news.set_consumers(X, 0)
    assert news.since(0) == [Item(2, X, False)]
    assert (len(news), news.hash, news.prunable) == (0, 0, True)
    news.prune(1)
    assert (news.since(0), news.floor) == ([Item(2, X, False)], 0)
    news.prune(2)
    assert (news.since(0), news.floor, news.prunable) == ([], 2, False)


def test_a_channel_consumed_again_is_no_removal_any_more() -> None:
    news = News()
    for count in (1, 0, 3):
        news.set_consumers(X, count)
    assert news.since(0) == [Item(3, X, False)]
    assert not news.prunable
    assert news.consumers(X) == 3


def test_a_used_name_told_again_takes_a_later_version() -> None:
    news = News()
    assert news.note("t", "") == 1
    assert news.note("t", "") == 2
    assert news.since(0) == [Item(2, ("t", ""), True)]
    news.prune(2)
    assert (news.since(0), news.floor) == ([], 0)


def test_removals_are_bounded_oldest_first() -> None:
    news = News()
    for number in range(REMOVALS_MAX + 3):
        news.set_consumers(("t", str(number)), 1)
        news.set_consumers(("t", str(number)), 0)
    assert len(news.since(0)) == REMOVALS_MAX
    assert news.floor == 6
