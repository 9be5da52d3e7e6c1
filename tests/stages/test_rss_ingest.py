"""Feeds into stored items: a real server, a real adapter, a real database."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic
from typing import Any

import pytest

from ops_pipeline.db import feeds
from ops_pipeline.db.driver.connection import Database, Row
from ops_pipeline.domain.feeds.polling import HostPace
from ops_pipeline.domain.news.identity import news_items
from ops_pipeline.domain.news.items import FeedDocument, FeedEntry, FeedState
from ops_pipeline.domain.news.stories import assign_stories
from ops_pipeline.errors import DatabaseUnavailable
from ops_pipeline.stages import rss_ingest
from ops_pipeline.stages.request import TickRequest
from ops_pipeline.stages.rss_ingest import Outcome
from tests.support.fakes import FixedClock
from tests.support.feed_server import FeedServer, Page, feed_server, item, local_feed, rss
from tests.support.subscribing import subscribe

TICK = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(TICK + timedelta(seconds=2))


def stamp(moment: datetime) -> str:
    return format_datetime(moment)


def subscribed(db: Database, server: FeedServer, path: str, page: Page, source: str) -> str:
    url = server.put(path, page)
    with db.transaction() as tx:
        subscribe(tx, url=url, source=source)
    return url


def ingest(db: Database, clock: FixedClock, *, tick: datetime = TICK) -> rss_ingest.Outcome:
    feed = local_feed(total_s=2)
    return rss_ingest.run(TickRequest(tick=tick), db=db, feed=feed, clock=clock)


def rows(db: Database, sql: str) -> Sequence[Row]:
    with db.transaction() as tx:
        return tx.rows(sql)


RAW = 'SELECT * FROM inbound_events_raw ORDER BY feed_url COLLATE "C", title COLLATE "C"'


def test_an_item_is_stored_with_its_source_its_time_and_when_it_was_seen(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    page = Page(
        rss(
            item(
                "Boeing &amp;amp; Airbus <b>win</b> orders",
                guid="b-1",
                link="https://www.wire.example/b/1?utm_source=rss#top",
                published=stamp(TICK - timedelta(minutes=4)),
                summary="Two &lt;i&gt;large&lt;/i&gt; ones.",
            )
        )
    )
    url = subscribed(db, server, "/f", page, "Wire")
    outcome = ingest(db, clock)
    assert (outcome.feeds, outcome.seen, outcome.stored) == (1, 1, 1)
    (row,) = rows(db, RAW)
    assert row["title"] == "Boeing & Airbus win orders"
    assert row["summary"] == "Two large ones."
    assert row["canonical_link"] == "https://wire.example/b/1"
    assert row["published_at"] == TICK - timedelta(minutes=4)
    assert (row["source"], row["feed_url"]) == ("Wire", url)
    assert (row["fetched_at"], row["processed_at"]) == (clock.now(), None)


def test_a_second_pass_over_the_same_feed_adds_nothing(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    page = Page(rss(item("Intel cuts outlook", guid="1"), item("Nike opens shop", guid="2")))
    subscribed(db, server, "/f", page, "Wire")
    ingest(db, clock)
    before = rows(db, RAW)
    clock.advance(60)
    again = ingest(db, clock, tick=TICK + timedelta(minutes=1))
    assert (again.seen, again.stored, again.duplicates) == (2, 0, 2)
    assert rows(db, RAW) == before


def test_one_story_over_five_feeds_is_five_items_of_one_story(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    published = stamp(TICK - timedelta(minutes=3))
    titles = [
        ("Apple beats quarterly estimates", "https://wire.example/apple"),
        ("APPLE BEATS QUARTERLY ESTIMATES!", "https://b.example/1"),
        ("Apple beats quarterly estimates - Reuters", "https://c.example/2"),
        ("Update 1 - Apple Beats Quarterly Estimates", "https://d.example/3"),
        ("Apple tops forecasts on iPhone sales", "http://www.wire.example/apple/?utm_medium=x"),
    ]
    for number, (title, link) in enumerate(titles):
        body = rss(item(title, guid=f"g{number}", link=link, published=published))
        subscribed(db, server, f"/{number}", Page(body), f"Source {number}")
    assert ingest(db, clock).stored == 5
    assert len({row["story_id"] for row in rows(db, RAW)}) == 1


def test_two_different_stories_on_one_company_stay_two(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    body = rss(
        item("Apple Q1 profit up 12%", guid="1"),
        item("Apple Q2 profit up 12%", guid="2"),
        item("Apple Q1 profit down 12%", guid="3"),
    )
    subscribed(db, server, "/f", Page(body), "Wire")
    ingest(db, clock)
    assert len({row["story_id"] for row in rows(db, RAW)}) == 3


def test_a_story_published_again_under_its_link_joins_the_first(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    link = "https://wire.example/boeing"
    subscribed(db, server, "/f", Page(rss(item("Boeing wins order", guid="1", link=link))), "Wire")
    ingest(db, clock)
    edited = item("Boeing wins large order", guid="2", link=link + "?utm_campaign=b")
    server.put("/f", Page(rss(edited)))
    clock.advance(60)
    assert ingest(db, clock, tick=TICK + timedelta(minutes=1)).stored == 1
    assert len({row["story_id"] for row in rows(db, RAW)}) == 1


@pytest.mark.parametrize(
    ("published", "reason"),
    [
        (TICK + timedelta(minutes=30), "future"),
        (TICK - timedelta(days=8), "too_old"),
        (datetime(1970, 1, 1, tzinfo=UTC), "too_old"),
        (None, "missing"),
    ],
)
def test_a_time_that_cannot_be_is_null_with_its_reason_and_never_now(
    db: Database,
    server: FeedServer,
    clock: FixedClock,
    published: datetime | None,
    reason: str,
) -> None:
    when = None if published is None else stamp(published)
    subscribed(db, server, "/f", Page(rss(item("News", guid="1", published=when))), "Wire")
    outcome = ingest(db, clock)
    (row,) = rows(db, RAW)
    assert (row["published_at"], row["published_at_reason"]) == (None, reason)
    assert row["published_claim"] == published
    assert outcome.undated == (reason == "missing")
    assert outcome.implausible_times == (reason != "missing")


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("sometime last week", ("unreadable", None)),
        ("2026-02-04", ("date_only", None)),
        ("2026-02-04 09:30:00", ("no_zone", None)),
        ("Wed, 04 Feb 2026 20:00:00 IST", ("unknown_zone", None)),
        ("Tue, 08 Jul 2025 09:30:00 EST", ("too_old", "summer_time")),
    ],
)
def test_a_written_time_is_kept_beside_what_was_made_of_it(
    db: Database, server: FeedServer, clock: FixedClock, written: str, why: tuple[str, str | None]
) -> None:
    subscribed(db, server, "/f", Page(rss(item("News", guid="1", published=written))), "Wire")
    outcome = ingest(db, clock)
    (row,) = rows(db, RAW)
    assert (row["published_at"], row["published_at_reason"]) == (None, why[0])
    assert (row["published_written"], row["published_note"]) == (written, why[1])
    assert (outcome.undated, outcome.implausible_times) == (0, 1)


def test_a_failing_feed_keeps_its_error_and_never_hurts_the_others(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    good = rss(item("Nike opens shop", guid="1"))
    subscribed(db, server, "/a-broken", Page(status=500), "Broken")
    subscribed(db, server, "/b-no-feed", Page(b"<html/>"), "No feed")
    subscribed(db, server, "/c-good", Page(good), "Good")
    outcome = ingest(db, clock)
    assert (outcome.feeds, outcome.failed_feeds, outcome.stored) == (3, 2, 1)
    states = rows(db, 'SELECT * FROM feed_state ORDER BY url COLLATE "C"')
    assert "500" in states[0]["last_error"]
    assert "no feed" in states[1]["last_error"]
    assert states[2]["last_error"] is None
    assert [state["failures_in_a_row"] for state in states] == [1, 1, 0]


def test_a_failing_feed_pauses_longer_each_time_and_starts_afresh_once_it_answers(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    subscribed(db, server, "/f", Page(status=503), "Wire")
    asked = []
    for minute in range(16):
        ingest(db, clock, tick=TICK + timedelta(minutes=minute))
        asked.append(len(server.requests["/f"]))
        clock.advance(60)
    assert [minute for minute in range(16) if minute == 0 or asked[minute] > asked[minute - 1]] == [
        0,
        1,
        3,
        7,
        15,
    ]
    server.put("/f", Page(rss(item("News", guid="1"))))
    assert ingest(db, clock, tick=TICK + timedelta(minutes=31)).stored == 1
    (state,) = rows(db, "SELECT failures_in_a_row, next_try_at, last_error FROM feed_state")
    assert state == {"failures_in_a_row": 0, "next_try_at": None, "last_error": None}


def test_validators_are_kept_and_a_304_stores_nothing(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    page = Page(rss(item("News", guid="1")), etag='"v1"', headers={"Last-Modified": "yesterday"})
    subscribed(db, server, "/f", page, "Wire")
    ingest(db, clock)
    again = ingest(db, clock, tick=TICK + timedelta(minutes=1))
    assert (again.not_modified, again.seen) == (1, 0)
    assert server.requests["/f"][1]["if-modified-since"] == "yesterday"
    (state,) = rows(db, "SELECT etag, last_modified FROM feed_state")
    assert state == {"etag": '"v1"', "last_modified": "yesterday"}


def test_an_entry_that_nothing_identifies_is_counted_and_left_out(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    body = rss(item(summary="Words without a name."), item("Named", guid="1"))
    subscribed(db, server, "/f", Page(body), "Wire")
    outcome = ingest(db, clock)
    assert (outcome.seen, outcome.unidentified, outcome.stored) == (2, 1, 1)


def test_characters_that_postgres_refuses_do_not_stop_a_feed(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    body = rss(item("Nul &#0; bell &#7; lone &#xD800; quote ' \" \\ {a,b} :name", guid="1"))
    subscribed(db, server, "/f", Page(body), "Wire")
    assert ingest(db, clock).stored == 1
    (row,) = rows(db, RAW)
    assert row["title"].endswith("quote ' \" \\ {a,b} :name")


def test_no_feed_at_all_is_an_ordinary_answer(db: Database, clock: FixedClock) -> None:
    assert ingest(db, clock) == rss_ingest.Outcome()


def test_a_slow_feed_delays_no_other_and_pauses(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    subscribed(db, server, "/0", Page(rss(item("Never comes", guid="1")), drip_s=1), "Slow")
    subscribed(db, server, "/1", Page(rss(item("Dam opens", guid="1"))), "Wire")
    request = TickRequest(tick=TICK)
    outcome = rss_ingest.run(
        request, db=db, feed=local_feed(total_s=1), clock=clock, patience_s=0.2, budget_s=3
    )
    assert (outcome.stored, outcome.failed_feeds, outcome.postponed_feeds) == (1, 1, 0)


def test_a_feed_that_is_not_reached_in_the_budget_is_no_failure_and_comes_first_next_time(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    for number in range(40):
        page = Page(rss(item("Never comes", guid="1")), drip_s=1)
        subscribed(db, server, f"/{number:02}", page, "Slow")
    outcome = rss_ingest.run(
        TickRequest(tick=TICK),
        db=db,
        feed=local_feed(total_s=1),
        clock=clock,
        patience_s=0.1,
        budget_s=0.3,
    )
    assert (outcome.failed_feeds, outcome.postponed_feeds) == (32, 8)
    with db.transaction() as tx:
        due = feeds.feeds_on(tx, TICK + timedelta(minutes=2))
    assert [state.url.rsplit("/")[-1] for state in due[:8]] == [f"{n}" for n in range(32, 40)]


def test_a_server_that_asks_to_be_left_alone_is(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    page = Page(status=429, headers={"Retry-After": "600"})
    subscribed(db, server, "/f", page, "Wire")
    ingest(db, clock)
    (row,) = rows(db, "SELECT next_try_at FROM feed_state")
    assert row["next_try_at"] == TICK + timedelta(minutes=10)


def test_a_feed_that_moved_is_remembered_until_it_fails(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    server.put("/new", Page(rss(item("Dam opens", guid="1"))))
    subscribed(db, server, "/f", Page(status=301, headers={"Location": "/new"}), "Wire")
    ingest(db, clock)
    (row,) = rows(db, "SELECT moved_to FROM feed_state")
    assert row["moved_to"] == server.root + "/new"
    server.put("/new", Page(status=410))
    ingest(db, clock, tick=TICK + timedelta(minutes=1))
    (row,) = rows(db, "SELECT moved_to FROM feed_state")
    assert row["moved_to"] is None


def test_two_feeds_may_use_one_number_for_two_stories(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    subscribed(db, server, "/a", Page(rss(item("Mill burns down", guid="12345"))), "A")
    subscribed(db, server, "/b", Page(rss(item("Bank merges with rival", guid="12345"))), "B")
    assert ingest(db, clock).stored == 2


@dataclass
class OddFeed:
    """A NewsFeed that gives each address the answer it is told to, errors included."""

    answers: dict[str, FeedDocument | Exception]

    def fetch(self, state: FeedState) -> FeedDocument:
        answer = self.answers[state.url]
        if isinstance(answer, Exception):
            raise answer
        return answer


def entry(guid: Any, title: Any = None) -> FeedEntry:
    return FeedEntry(guid, title or f"Headline about {guid}", None, None, TICK)


def odd_run(db: Database, clock: FixedClock, **answers: FeedDocument | Exception) -> Outcome:
    urls = {f"https://{name}.example/f": answer for name, answer in answers.items()}
    with db.transaction() as tx:
        for url in urls:
            subscribe(tx, url=url, source="Wire")
    request = TickRequest(tick=TICK)
    return rss_ingest.run(request, db=db, feed=OddFeed(urls), clock=clock)


STATES = 'SELECT * FROM feed_state ORDER BY url COLLATE "C"'
HONEST = FeedDocument((entry("1"),), None, None)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("a\0b \ud800"),
        OverflowError("Python int too large to convert to C int"),
        RecursionError(),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        AssertionError(),
    ],
)
def test_whatever_one_feed_raises_is_recorded_against_it_and_the_rest_goes_on(
    db: Database, clock: FixedClock, error: Exception
) -> None:
    outcome = odd_run(db, clock, a=error, b=HONEST)
    assert (outcome.failed_feeds, outcome.stored) == (1, 1)
    failed, fine = rows(db, STATES)
    assert type(error).__name__ in failed["last_error"]
    assert failed["next_try_at"] > TICK
    assert fine["last_error"] is None


def test_an_entry_that_cannot_be_stored_is_rejected_and_the_others_are_kept(
    db: Database, clock: FixedClock
) -> None:
    entries = (entry("1"), entry(7), entry("2"))
    outcome = odd_run(db, clock, a=FeedDocument(entries, None, None), b=HONEST)
    assert (outcome.seen, outcome.stored, outcome.rejected) == (4, 3, 1)
    assert outcome.failed_feeds == 0
    odd, fine = rows(db, STATES)
    assert odd["last_error"].startswith("not stored: 1 of 3 entries, ")
    # It goes on to give news: it is asked again in the next minute.
    assert odd["next_try_at"] == TICK
    assert fine["last_error"] is None


def test_a_feed_of_nothing_but_broken_entries_fails_and_pauses(
    db: Database, clock: FixedClock
) -> None:
    outcome = odd_run(db, clock, a=FeedDocument((entry(7), entry(8)), None, None), b=HONEST)
    assert (outcome.failed_feeds, outcome.rejected, outcome.stored) == (1, 2, 1)
    assert rows(db, STATES)[0]["next_try_at"] > TICK


@pytest.mark.parametrize("name", ["etag", "last_modified", "moved_to"])
def test_a_header_that_postgres_does_not_keep_costs_its_feed_no_news(
    db: Database, clock: FixedClock, name: str
) -> None:
    odd = replace(HONEST, **{name: "a\0b"})  # type: ignore[arg-type]  # texts all
    outcome = odd_run(db, clock, a=odd, b=FeedDocument((entry("2"),), None, None))
    assert (outcome.stored, outcome.rejected) == (2, 0)
    assert rows(db, STATES)[0]["last_error"] is not None


def test_a_database_that_is_away_is_not_the_feed_s_fault(db: Database, clock: FixedClock) -> None:
    with pytest.raises(DatabaseUnavailable):
        odd_run(db, clock, a=DatabaseUnavailable("gone"), b=HONEST)


def test_links_that_are_too_long_for_one_cost_nothing_and_identify_nothing(
    db: Database, clock: FixedClock
) -> None:
    parameters = "&".join(f"p{n}={n}" for n in range(2_950))
    entries = tuple(
        replace(entry(f"{n}"), link=f"https://w.example/{n}?{parameters}") for n in range(200)
    )
    wide = "\u20ac" * 1_900
    entries += (replace(entry("wide"), link=f"https://w.example/{wide}"),)
    began = time.process_time()
    assert odd_run(db, clock, a=FeedDocument(entries, None, None)).stored == 201
    assert time.process_time() - began < 2
    assert {row["canonical_link"] for row in rows(db, RAW)} == {None}


def _hostile(kind: str, number: int) -> FeedEntry:
    """One of 500 entries, each as costly as its field may be."""
    page = f"http://w.example/{number}?"
    match kind:
        case "guid":
            return FeedEntry((page + "a=&" * 6_000)[:16_000], f"t{number}", None, None, TICK)
        case "link":
            return replace(entry(f"{number}"), link=(page + "a=&" * 1_000)[:2_000])
        case "escapes":
            return replace(entry(f"{number}"), link=f"{page}a={'%41' * 600}")
        case "words":
            return entry(f"{number}", f"{number} " + "a " * 8_000)
        case "beginnings":
            return entry(f"{number}", "a b c d e " + "f " * 200 + f"{number}")
        case _:
            return entry(f"{number}", f"UPDATE 1-{number} a b c d e " + "f " * 200)


KINDS = ("guid", "link", "escapes", "words", "beginnings", "corrections")


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_of_an_item_costs_more_than_its_share(kind: str) -> None:
    """500 entries a feed: a function has a seventh of a processor and 25 seconds."""
    entries = [_hostile(kind, number) for number in range(500)]
    began = time.process_time()
    items = news_items(entries, FeedState("https://w.example/f", "Wire"), TICK)
    assign_stories(items, ())
    assert time.process_time() - began < 1.5


def test_long_guids_still_tell_items_apart() -> None:
    entries = [_hostile("guid", number) for number in range(2)]
    entries.append(replace(entries[1], guid=f"{entries[1].guid}x"))
    items = news_items(entries, FeedState("https://w.example/f", "Wire"), TICK)
    assert len({item.event_uid for item in items}) == 3


def test_a_feed_that_costs_the_time_of_all_leaves_the_others_blameless(
    db: Database, clock: FixedClock
) -> None:
    """An answer that was there and could not be stored in time is asked for again."""
    with db.transaction() as tx:
        for name in ("a", "b"):
            subscribe(tx, url=f"https://{name}.example/f", source="Wire")
    answers = {f"https://{name}.example/f": HONEST for name in ("a", "b")}
    outcome = rss_ingest.run(
        TickRequest(tick=TICK),
        db=db,
        feed=OddFeed(dict(answers)),
        clock=clock,
        patience_s=0.2,
        budget_s=0.0,
    )
    assert (outcome.postponed_feeds, outcome.failed_feeds) == (2, 0)
    assert [row["last_error"] for row in rows(db, STATES)] == [None, None]


def test_a_feed_stores_no_more_in_a_day_than_any_wire(
    db: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rss_ingest, "MOST_ITEMS_A_DAY", 5)
    flood = FeedDocument(tuple(entry(f"{n}") for n in range(8)), None, None)
    outcome = odd_run(db, clock, a=flood, b=HONEST)
    assert (outcome.stored, outcome.cut, outcome.duplicates, outcome.seen) == (6, 3, 0, 6)
    assert odd_run(db, clock, a=flood, b=HONEST).stored == 0
    clock.advance(24 * 3600)
    assert odd_run(db, clock, a=flood, b=HONEST).stored == 3


def test_a_feed_that_is_asked_every_ten_minutes_is_left_alone_between(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    url = subscribed(db, server, "/f", Page(rss(item("News of the day", guid="1"))), "Wire")
    with db.transaction() as tx:
        tx.execute("UPDATE feed_state SET poll_every_s = 600 WHERE url = :url", url=url)
    asked = []
    for minute in range(12):
        clock.at = TICK + timedelta(minutes=minute, seconds=2)
        asked.append(ingest(db, clock, tick=TICK + timedelta(minutes=minute)).feeds)
    assert asked[:10] == [1] + [0] * 9
    assert sum(asked[10:]) == 1


def test_two_feeds_of_one_host_are_asked_one_after_the_other(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    for path in ("/a", "/b", "/c"):
        subscribed(db, server, path, Page(rss(item(f"News of {path} today", guid=path))), path)
    feed, pace = local_feed(total_s=2), HostPace(interval_s=0.3, jitter_s=0.0)
    began = monotonic()
    done = rss_ingest.run(TickRequest(tick=TICK), db=db, feed=feed, clock=clock, pace=pace)
    assert done.stored == 3
    assert monotonic() - began >= 0.6


def test_a_host_with_more_feeds_than_its_pace_allows_is_asked_for_the_rest_next_time(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    for path in ("/a", "/b", "/c"):
        subscribed(db, server, path, Page(rss(item(f"News of {path} today", guid=path))), path)
    feed, pace = local_feed(total_s=2), HostPace(interval_s=0.8, jitter_s=0.0)
    first = rss_ingest.run(
        TickRequest(tick=TICK), db=db, feed=feed, clock=clock, pace=pace, budget_s=2.0
    )
    assert (first.stored, first.postponed_feeds, first.failed_feeds) == (2, 1, 0)
    clock.at += timedelta(minutes=1)
    later = TickRequest(tick=TICK + timedelta(minutes=1))
    again = rss_ingest.run(later, db=db, feed=feed, clock=clock, pace=pace, budget_s=2.0)
    assert again.stored == 1


def test_what_a_feed_served_is_kept_beside_it(
    db: Database, server: FeedServer, clock: FixedClock
) -> None:
    newest = TICK - timedelta(days=400)
    page = Page(
        rss(
            item("News of long ago", guid="1", published=stamp(newest)),
            item("News of another time", guid="2", published=stamp(newest - timedelta(days=1))),
            item("News of a day to come", guid="3", published=stamp(TICK + timedelta(days=1))),
        ),
        etag='"v1"',
    )
    subscribed(db, server, "/f", page, "Wire")
    for minute in range(2):
        ingest(db, clock, tick=TICK + timedelta(minutes=minute))
        (row,) = rows(db, "SELECT newest_item_at, last_items FROM feed_state")
        assert row == {"newest_item_at": newest, "last_items": 3}
