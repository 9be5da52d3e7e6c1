"""Old, undated, future-dated or repeated news moves nothing, and none is seen too early."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ops_pipeline.adapters.lexicon_classifier import LexiconClassifier
from ops_pipeline.db import news
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.news.identity import news_item
from ops_pipeline.domain.news.items import FeedEntry, FeedState
from ops_pipeline.domain.news.stories import assign_stories
from ops_pipeline.domain.news.ticker_sentiment import Pressure, ticker_sentiment
from ops_pipeline.stages import classifier, rss_ingest
from ops_pipeline.stages.request import TickRequest
from tests.support.fakes import FixedClock
from tests.support.feed_server import FeedServer, Page, feed_server, item, local_feed, rss
from tests.support.subscribing import subscribe

TICK = datetime(2026, 2, 4, 15, 30, tzinfo=UTC)
GOOD = "Nike beats quarterly profit estimates"


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


def stamp(minutes_ago: float) -> str:
    return format_datetime(TICK - timedelta(minutes=minutes_ago))


def serve(db: Database, server: FeedServer, *items: str, path: str = "/f", at: int = 0) -> None:
    """Fetch and classify a feed `at` minutes after the tick."""
    url = server.put(path, Page(rss(*items)))
    request = TickRequest(tick=TICK + timedelta(minutes=at))
    clock = FixedClock(request.tick)
    with db.transaction() as tx:
        subscribe(tx, url=url, source=path)
    rss_ingest.run(request, db=db, feed=local_feed(), clock=clock)
    classifier.run(request, db=db, classifier=LexiconClassifier(), clock=clock)


def pressure(db: Database, minutes_later: int = 0) -> Pressure | None:
    """What the news says of Nike to watchlist and signals."""
    now = TICK + timedelta(minutes=minutes_later)
    with db.transaction() as tx:
        return ticker_sentiment(news.stories_by_ticker(tx, ["NKE"], now).get("NKE", []), now)


def test_fresh_news_moves_it_so_the_other_tests_can_fail(db: Database, server: FeedServer) -> None:
    serve(db, server, item(GOOD, guid="1", published=stamp(10)))
    found = pressure(db)
    assert found is not None
    assert (found.stories, found.newest_age_minutes) == (1, 10)
    assert found.score > 0.5


@pytest.mark.parametrize(
    "published",
    [
        None,
        stamp(121),
        stamp(60 * 24 * 8),
        stamp(-11),
        stamp(-60 * 24 * 365),
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "2026-02-04T15:25:00",
        "Wed, 04 Feb 2026 15:25:00 IST",
        "yesterday",
    ],
)
def test_news_without_a_time_to_believe_or_too_old_moves_nothing(
    db: Database, server: FeedServer, published: str | None
) -> None:
    serve(db, server, item(GOOD, guid="1", published=published))
    assert pressure(db) is None


def test_a_story_told_five_times_counts_once(db: Database, server: FeedServer) -> None:
    serve(db, server, item(GOOD, guid="1", published=stamp(10)))
    alone = pressure(db)
    link = "https://w.example/nike"
    serve(db, server, item(GOOD.upper(), guid="2", published=stamp(8)), path="/b", at=1)
    serve(db, server, item(f"{GOOD} - Wire", guid="3", published=stamp(7)), path="/c", at=1)
    serve(db, server, item(GOOD, guid="4", link=link, published=stamp(6)), path="/d", at=1)
    edited = item("Nike profit tops views", guid="5", link=f"{link}?utm_id=1", published=stamp(5))
    serve(db, server, edited, path="/e", at=2)
    together = pressure(db, minutes_later=2)
    assert alone is not None
    assert together is not None
    assert (together.stories, together.newest_age_minutes) == (1, 12)
    assert together.score == alone.score


def test_an_old_story_published_again_does_not_become_new(db: Database, server: FeedServer) -> None:
    serve(db, server, item(GOOD, guid="1", published=stamp(200)))
    serve(db, server, item(GOOD, guid="2", published=stamp(0)), at=1)
    assert pressure(db, minutes_later=1) is None


def test_a_claimed_time_ages_its_own_feed_s_item_alone(db: Database, server: FeedServer) -> None:
    serve(db, server, item(GOOD, guid="1", published=stamp(200)), path="/b")
    assert pressure(db, minutes_later=0) is None
    serve(db, server, item(GOOD, guid="2", published=stamp(0)), at=1)
    assert pressure(db, minutes_later=1) is not None


def test_a_story_is_as_old_as_its_first_fetch_whatever_a_feed_claims_later(
    db: Database, server: FeedServer
) -> None:
    serve(db, server, item(GOOD, guid="1", published=stamp(1)))
    serve(db, server, item(GOOD, guid="2", published=stamp(-60)), path="/b", at=60)
    found = pressure(db, minutes_later=60)
    assert found is not None
    assert (found.stories, found.newest_age_minutes) == (1, 61)


def test_forty_stories_of_one_feed_in_a_minute_are_one_voice(
    db: Database, server: FeedServer
) -> None:
    told = [
        item(f"Nike raises guidance {n} times over", guid=f"{n}", published=stamp(n / 60))
        for n in range(40)
    ]
    serve(db, server, *told)
    found = pressure(db)
    assert found is not None
    assert (found.stories, found.sources) == (1, (f"{server.root}/f",))


def test_a_feed_that_repeats_a_wire_adds_nothing_and_one_with_a_story_of_its_own_does(
    db: Database, server: FeedServer
) -> None:
    serve(db, server, item(GOOD, guid="1", link=LINK, published=stamp(10)), path="/wire")
    alone = pressure(db, minutes_later=2)
    repeated = item(f"{GOOD} - Wire", guid="2", link="https://b.example/1", published=stamp(9))
    serve(db, server, repeated, path="/echo", at=1)
    assert pressure(db, minutes_later=2) == alone
    own = item("Nike shares jump after record sales", guid="3", published=stamp(0))
    serve(db, server, own, path="/other", at=2)
    found = pressure(db, minutes_later=2)
    assert found is not None
    assert found.sources == (f"{server.root}/other", f"{server.root}/wire")


def test_of_items_fetched_at_once_a_copy_is_not_the_first(db: Database) -> None:
    """An aggregator that dates its copy earlier does not take the publisher's place."""
    copy, original = (
        FeedEntry("1", GOOD, LINK, None, TICK - timedelta(minutes=minutes)) for minutes in (9, 5)
    )
    made = [
        news_item(copy, FeedState("https://agg.example/f", "Agg"), TICK),
        news_item(original, FeedState("https://feeds.w.example/f", "W"), TICK),
    ]
    items = [one for one in made if one is not None]
    with db.transaction() as tx:
        news.insert_items(tx, items, assign_stories(items, ()))
    request = TickRequest(tick=TICK)
    classifier.run(request, db=db, classifier=LexiconClassifier(), clock=FixedClock(TICK))
    found = pressure(db)
    assert found is not None
    assert found.sources == ("w.example",)


BAD = "Nike misses quarterly profit estimates"
LINK = "https://w.example/nike"


@pytest.mark.parametrize("minutes_ago", [1, 12, 119, 60 * 24 * 3, 60 * 24 * 30])
def test_another_feed_neither_erases_nor_turns_nor_ages_a_story(
    db: Database, server: FeedServer, minutes_ago: int
) -> None:
    serve(db, server, item(GOOD, guid="1", link=LINK, published=stamp(10)))
    alone = pressure(db, minutes_later=1)
    stranger = item(GOOD, guid=LINK, link=LINK, published=stamp(minutes_ago))
    serve(db, server, stranger, path="/stranger", at=1)
    assert pressure(db, minutes_later=1) == alone


def test_sources_of_one_story_that_disagree_make_it_mixed(db: Database, server: FeedServer) -> None:
    serve(db, server, item(GOOD, guid="1", link=LINK, published=stamp(10)))
    serve(db, server, item(BAD, guid="2", link=LINK, published=stamp(12)), path="/b", at=1)
    assert pressure(db, minutes_later=1) is None
    # What was known a minute before stays known.
    assert pressure(db) is not None


def test_the_publisher_s_address_as_another_feed_s_guid_keeps_no_item_out(
    db: Database, server: FeedServer
) -> None:
    serve(db, server, item("Nothing to see", guid=LINK, published=stamp(3)), path="/stranger")
    serve(db, server, item(GOOD, guid=LINK, link=LINK, published=stamp(2)), at=1)
    assert pressure(db, minutes_later=1) is not None


@pytest.mark.parametrize(
    ("title", "guid", "link"),
    [
        (f"CORRECTED: {BAD}", "1", LINK),  # the same guid
        (f"CORRECTED: {BAD}", "2", LINK),
        ("UPDATE 2-Nike profit falls short of estimates", "2", f"{LINK}?utm_source=x"),
        ("CORRECTED-Nike misses, not beats, quarterly profit estimates", "2", None),
        (f"CORRECTED: {BAD} (corrects to misses)", "1", None),
    ],
)
def test_a_correction_judges_its_story_anew_from_its_minute_on(
    db: Database, server: FeedServer, title: str, guid: str, link: str | None
) -> None:
    serve(db, server, item(GOOD, guid="1", link=LINK, published=stamp(10)))
    corrected = item(title, guid=guid, link=link, published=stamp(0))
    serve(db, server, corrected, at=1)
    serve(db, server, corrected, at=2)
    before, after = pressure(db), pressure(db, minutes_later=1)
    assert before is not None
    assert before.score > 0.5
    assert after is not None
    assert (after.stories, after.newest_age_minutes) == (1, 11)
    assert after.score < -0.4


def test_a_correction_may_take_a_ticker_off_its_story(db: Database, server: FeedServer) -> None:
    serve(db, server, item(GOOD, guid="1", link=LINK, published=stamp(10)))
    again = "CORRECTED: Adidas, not that maker, beats quarterly profit estimates"
    serve(db, server, item(again, guid="1", link=LINK, published=stamp(0)), at=1)
    assert pressure(db) is not None
    assert pressure(db, minutes_later=1) is None


def test_a_stranger_s_correction_is_one_more_source_and_corrects_nothing(
    db: Database, server: FeedServer
) -> None:
    serve(db, server, item(GOOD, guid="1", link=LINK, published=stamp(10)))
    alone = pressure(db, minutes_later=1)
    stranger = item(f"CORRECTED: {GOOD}", guid="1", link=LINK, published=stamp(0))
    serve(db, server, stranger, path="/stranger", at=1)
    assert pressure(db, minutes_later=1) == alone
    serve(
        db,
        server,
        item("CORRECTED: Adidas beats estimates", guid="9", link=LINK),
        path="/stranger",
        at=2,
    )
    assert pressure(db, minutes_later=2) is not None


def test_companies_of_one_line_have_verdicts_of_their_own(db: Database, server: FeedServer) -> None:
    serve(db, server, item("Nike sues Amazon over patents", guid="1", published=stamp(1)))
    with db.transaction() as tx:
        found = news.stories_by_ticker(tx, ["NKE", "AMZN"], TICK)
    assert [story.score for story in found["NKE"]] == [0]
    assert [story.score for story in found["AMZN"]] == [-0.6]


def test_an_item_is_invisible_before_its_feed_served_it(db: Database, server: FeedServer) -> None:
    serve(db, server, item(GOOD, guid="1", published=stamp(10)), at=5)
    assert pressure(db, minutes_later=4) is None
    assert pressure(db, minutes_later=5) is not None
