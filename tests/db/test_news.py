"""What the signals may see of the news."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from ops_pipeline.db import news
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.identity import news_item
from ops_pipeline.domain.news.items import (
    Classified,
    FeedEntry,
    FeedState,
    NewsItem,
    Sentiment,
    Story,
)
from ops_pipeline.domain.news.stories import assign_stories
from ops_pipeline.domain.news.tickers import find_mentions
from ops_pipeline.errors import ConstraintViolated

NOW = datetime(2026, 2, 4, 15, 0, tzinfo=UTC)
GOOD = Sentiment(positive=0.7, neutral=0.2, negative=0.1)
BAD = Sentiment(positive=0.1, neutral=0.1, negative=0.8)


def make_item(
    guid: str,
    *,
    title: str | None = None,
    link: str | None = None,
    age_minutes: float | None = 10,
    fetched_minutes_ago: float = 1,
) -> NewsItem:
    published = None if age_minutes is None else NOW - timedelta(minutes=age_minutes)
    entry = FeedEntry(guid, title or f"A headline about {guid}", link, None, published)
    feed = FeedState("https://wire.example/f", "Wire")
    made = news_item(entry, feed, NOW - timedelta(minutes=fetched_minutes_ago))
    assert made is not None
    return made


def store(
    db: Database,
    item: NewsItem,
    *tickers: str,
    sentiment: Sentiment | None = GOOD,
    mixed: bool = False,
) -> UUID:
    """Keep one item and its verdict; returns its story."""
    with db.transaction() as tx:
        stories = assign_stories([item], news.story_traces(tx, [item]))
        assert news.insert_items(tx, [item], stories) == 1
        (waiting,) = news.waiting_items(tx, limit=5)
        reason = None if sentiment else "no words"
        verdict = Classified(waiting, tickers, sentiment, reason, mixed, "test-1")
        news.save_classified(tx, [verdict], NOW)
    return stories[item.event_uid]


def stories(db: Database, *tickers: str) -> dict[str, list[Story]]:
    with db.transaction() as tx:
        return news.stories_by_ticker(tx, tickers, NOW)


def test_a_story_is_seen_by_each_ticker_it_names_and_by_no_other(db: Database) -> None:
    story_id = store(db, make_item("a"), "AAPL", "MSFT")
    expected = [Story(story_id, NOW - timedelta(minutes=10), GOOD.score, "wire.example")]
    assert stories(db, "AAPL", "MSFT", "TSLA") == {"AAPL": expected, "MSFT": expected}


def test_the_same_story_from_two_feeds_counts_once_with_the_score_of_the_first(
    db: Database,
) -> None:
    first = make_item("a", link="https://wire.example/1", age_minutes=20)
    again = make_item("b", link="https://wire.example/1?utm_source=x", age_minutes=5)
    assert store(db, first, "AAPL") == store(db, again, "AAPL", sentiment=BAD)
    (story,) = stories(db, "AAPL")["AAPL"]
    assert story.score == GOOD.score
    assert story.published_at == NOW - timedelta(minutes=20)


def test_an_item_is_invisible_before_its_feed_served_it(db: Database) -> None:
    store(db, make_item("a", fetched_minutes_ago=-1), "AAPL")
    assert stories(db, "AAPL") == {}


@pytest.mark.parametrize("age_minutes", [None, 121, 60 * 24 * 8, -30])
def test_news_without_a_time_too_old_or_from_the_future_is_not_seen(
    db: Database, age_minutes: float | None
) -> None:
    store(db, make_item("a", age_minutes=age_minutes), "AAPL")
    assert stories(db, "AAPL") == {}


def test_an_old_story_published_again_does_not_become_new(db: Database) -> None:
    link = "https://wire.example/1"
    store(db, make_item("a", link=link, age_minutes=300, fetched_minutes_ago=290), "AAPL")
    store(db, make_item("b", link=link, age_minutes=2), "AAPL")
    assert stories(db, "AAPL") == {}


def test_an_undated_item_seen_hours_ago_dates_its_story(db: Database) -> None:
    link = "https://wire.example/1"
    store(db, make_item("a", link=link, age_minutes=None, fetched_minutes_ago=290), "AAPL")
    store(db, make_item("b", link=link, age_minutes=2), "AAPL")
    assert stories(db, "AAPL") == {}


def test_a_date_of_1970_in_one_feed_does_not_silence_the_others(db: Database) -> None:
    link = "https://wire.example/1"
    store(db, make_item("a", link=link, age_minutes=60 * 24 * 365 * 56), "AAPL")
    store(db, make_item("b", link=link, age_minutes=2), "AAPL")
    assert len(stories(db, "AAPL")["AAPL"]) == 1


def test_mixed_and_unclassifiable_items_carry_no_weight(db: Database) -> None:
    store(db, make_item("a"), "AAPL", "INTC", mixed=True)
    store(db, make_item("b"), "AAPL", sentiment=None)
    assert stories(db, "AAPL") == {}


def test_an_equal_headline_a_day_later_is_another_story(db: Database) -> None:
    title = "Stocks close higher on Wall Street"
    early = make_item("a", title=title, age_minutes=60 * 30, fetched_minutes_ago=60 * 30)
    assert store(db, early) != store(db, make_item("b", title=title))


def test_ids_come_from_the_item_alone(db: Database) -> None:
    item = make_item("a")
    store(db, item)
    with db.transaction() as tx:
        (raw,) = tx.rows("SELECT id FROM inbound_events_raw")
        (classified,) = tx.rows("SELECT id FROM inbound_events_classified")
    assert raw["id"] == stable_uuid("news", item.event_uid)
    assert classified["id"] == stable_uuid("classified", item.event_uid)


def test_the_database_refuses_a_sentiment_without_label_and_a_null_time_without_reason(
    db: Database,
) -> None:
    store(db, make_item("a"), "AAPL")
    with (
        pytest.raises(ConstraintViolated, match="has_a_sentiment_or_a_reason"),
        db.transaction() as tx,
    ):
        tx.execute("UPDATE inbound_events_classified SET sentiment_label = NULL")
    with pytest.raises(ConstraintViolated, match="undated_says_why"), db.transaction() as tx:
        tx.execute("UPDATE inbound_events_raw SET published_at = NULL")


def test_hardly_a_line_of_plain_news_gets_a_ticker_that_it_does_not_name(db: Database) -> None:
    """Eight hundred headlines and sentences of reports with the shipped securities."""
    with db.transaction() as tx:
        book = NameIndex(news.companies(tx))
    folder = Path(__file__).resolve().parents[1] / "news" / "lines"
    lines = [
        line[2:]
        for style in ("headlines", "reports")
        for file in sorted(folder.glob(f"*/{style}.txt"))
        for line in file.read_text().splitlines()
    ]
    named = {line: {mention.ticker for mention in find_mentions(line, book)} for line in lines}
    # Two of them name one; whatever else is found is false.
    right = {
        "AstraNova and Lilly to co-develop drug": {"LLY"},
        "Morris signs supply deal with Amazon": {"AMZN"},
    }
    false = {line: found - right.get(line, set()) for line, found in named.items()}
    assert len(lines) >= 800
    assert sum(map(bool, false.values())) < 0.01 * len(lines)
    assert all(right[line] <= named[line] for line in right)


@pytest.mark.parametrize(
    ("day", "text", "expected"),
    [
        (date(2013, 10, 7), "$FB and Facebook", {"FB"}),
        (date(2022, 6, 8), "$FB and Facebook", {"FB"}),
        (date(2022, 6, 9), "$FB and Facebook", {"META"}),
        (date(2026, 2, 4), "$FB and Facebook", {"META"}),
        (None, "$FB and Facebook", {"META"}),
        (date(2013, 10, 7), "Google gains", {"GOOG"}),
        (date(2026, 2, 4), "Google gains", {"GOOGL"}),
        (date(2026, 2, 4), "GOOG shares gain", {"GOOG"}),
    ],
)
def test_a_replay_finds_the_symbols_and_names_of_its_day(
    db: Database, day: date | None, text: str, expected: set[str]
) -> None:
    with db.transaction() as tx:
        index = news.name_index(tx, day)
    assert {mention.ticker for mention in find_mentions(text, index)} == expected


def test_the_database_refuses_a_rename_without_its_day_and_a_cik_of_other_digits(
    db: Database,
) -> None:
    for change, why in (
        ("renamed_to = 'META'", "renamed_on_a_day"),
        ("cik = '320193'", "cik_has_ten_digits"),
        ("valid_from = '2022-06-09', valid_to = '2013-10-07'", "valid_for_some_time"),
    ):
        with pytest.raises(ConstraintViolated, match=why), db.transaction() as tx:
            tx.execute(f"UPDATE tickers SET {change} WHERE ticker = 'AAPL'")
