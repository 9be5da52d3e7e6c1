"""One story once."""

from datetime import UTC, datetime, timedelta

import pytest

from ops_pipeline.domain.news.headlines import plain_text, title_key
from ops_pipeline.domain.news.identity import news_item
from ops_pipeline.domain.news.items import FeedEntry, FeedState, NewsItem, StoryTrace
from ops_pipeline.domain.news.stories import StoryIndex, assign_stories, new_items

NOW = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)


def item(
    guid: str,
    title: str,
    *,
    link: str | None = None,
    source: str = "Wire",
    published: datetime | None = NOW,
) -> NewsItem:
    feed = FeedState("https://wire.example/f", source)
    made = news_item(FeedEntry(guid, title, link, None, published), feed, NOW)
    assert made is not None
    return made


def same_story(one: NewsItem, other: NewsItem) -> bool:
    return len(set(assign_stories([one, other], []).values())) == 1


def test_filings_of_a_company_on_one_day_are_stories_of_their_own() -> None:
    """All have one headline: a later one would be old news with the first."""
    title = "8-K - BOEING CO (0000012927) (Filer)"
    link = "https://sec.example/archives/12927/1"
    first = item("1", title, link=link)
    assert not same_story(first, item("2", title, link="https://sec.example/archives/12927/2"))
    assert not same_story(item("1", title), item("2", title))
    assert same_story(first, item("2", title, link=link))


@pytest.mark.parametrize(
    "title",
    [
        "Boeing profit up 12% on strong demand",
        "BOEING PROFIT UP 12% ON STRONG DEMAND",
        "Boeing profit up 12 percent on strong demand",
        "Boeing profit, up 12%, on strong demand!",
        "Boeing profit up 12% on strong demand - Reuters",
        "Boeing profit up 12% on strong demand | The Wall Street Journal",
        "Boeing profit up 12% on strong demand \u2014 MarketWatch",
        "Wire: Boeing profit up 12% on strong demand",
        "UPDATE 2-Boeing profit up 12% on strong demand",
        "Breaking: Boeing profit up 12% on strong demand",
    ],
)
def test_source_case_punctuation_and_labels_do_not_make_another_story(title: str) -> None:
    assert same_story(item("a", "Boeing profit up 12% on strong demand"), item("b", title))


@pytest.mark.parametrize(
    "title",
    [
        "Boeing profit up 12% on strong demand, lifts outlook",
        "Boeing profit up 12% on strong",
        "Boeing profit up 12% on strong dem...",
        "Boeing profit up 12% on strong \u2026",
        "CORRECTED: Boeing profit up 12% on strong demand (corrects figure)",
    ],
)
def test_a_headline_that_begins_with_the_other_is_one_story(title: str) -> None:
    first, second = item("a", "Boeing profit up 12% on strong demand"), item("b", title)
    assert same_story(first, second)
    assert same_story(second, first)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Boeing profit up", "Boeing profit up 12% on strong demand"),
        ("Boeing profit up 12% on strength", "Boeing profit up 12% on strengthening demand"),
        ("Boeing Q1 profit up 12%", "Boeing Q2 profit up 12%"),
        ("Boeing profit up 12% in March", "Boeing profit down 12% in March"),
        ("Boeing profit up 1.2% in March", "Boeing profit up 12% in March"),
        ("Boeing shares +3% at noon", "Boeing shares -3% at noon"),
        ("Boeing to pay $5 a share", "Boeing to pay \u20ac5 a share"),
        ("Apple shares fall today - Analysts Raise Target", "Apple shares fall today"),
        ("Apple shares fall today - 3 Reasons", "Apple shares fall today"),
    ],
)
def test_other_figures_or_directions_are_another_story(one: str, other: str) -> None:
    assert not same_story(item("a", one), item("b", other))


def test_the_same_link_is_the_same_story_however_the_title_was_edited() -> None:
    one = item("a", "Boeing wins an order", link="https://wire.example/1?utm_source=rss")
    other = item("b", "Airbus rival lands deal", link="http://www.wire.example/1/")
    assert same_story(one, other)


def test_items_that_all_link_to_the_front_page_stay_apart() -> None:
    front = "https://wire.example/"
    assert not same_story(
        item("a", "Boeing wins an order", link=front), item("b", "Nike opens a shop", link=front)
    )


def test_a_heading_of_two_words_identifies_nothing() -> None:
    assert not same_story(item("a", "Market wrap"), item("b", "Market wrap"))


@pytest.mark.parametrize(("hours", "same"), [(24, True), (24.1, False), (-24, True)])
def test_an_equal_title_tells_the_same_story_for_a_day(hours: float, same: bool) -> None:
    later = item("b", "Stocks close higher", published=NOW - timedelta(hours=hours))
    assert same_story(item("a", "Stocks close higher"), later) is same


def test_a_known_story_is_recognised_from_its_trace() -> None:
    first = item("a", "Boeing wins an order")
    story = StoryIndex().story_of(first)
    trace = StoryTrace(story, first.canonical_link, first.title_key, first.dated)
    assert StoryIndex([trace]).story_of(item("b", "Boeing Wins an Order")) == story


def test_an_item_served_twice_is_kept_once_and_a_known_one_not_at_all() -> None:
    items = [item("a", "First of all"), item("a", "First, edited"), item("b", "Second of all")]
    assert new_items(items, set()) == [items[0], items[2]]
    assert new_items(items, {items[0].event_uid}) == [items[2]]


def test_the_story_of_a_first_item_depends_on_nothing_but_itself() -> None:
    a = item("a", "Boeing wins an order")
    assert StoryIndex().story_of(a) == StoryIndex().story_of(a)


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("<b>Profit</b> &amp; loss", "Profit & loss"),
        ("Profit &amp;amp; loss", "Profit & loss"),
        ("growth <3% in 2026", "growth <3% in 2026"),
        ("a\x00b\u200bc\n\n d", "abc d"),
        ("<p></p>", None),
        ("", None),
        (None, None),
    ],
)
def test_markup_goes_and_words_stay(raw: str | None, plain: str | None) -> None:
    assert plain_text(raw, 200) == plain


def test_a_text_is_cut_at_a_word() -> None:
    assert plain_text("one two three", 9) == "one two"


def test_a_key_keeps_signs_points_and_units_of_figures() -> None:
    key = title_key("Q1: sales +1,234.5% (EPS $1.02)", source="Wire")
    assert key == "q1 sales +1234.5% eps $1.02"
