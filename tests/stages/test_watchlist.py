"""The watchlist's rows over a few ticks."""

from datetime import UTC, date, datetime, timedelta
from math import nan
from uuid import UUID

import pytest

from ops_pipeline.db.driver.connection import Database, Row
from ops_pipeline.domain.market import MINUTE
from ops_pipeline.domain.parameters import Parameters, WatchlistRules
from ops_pipeline.stages import watchlist
from ops_pipeline.stages.request import TickRequest
from tests.support.builders_market import features, in_force, rows, store_features, watch
from tests.support.fakes import FixedClock

TICK = datetime(2026, 2, 4, 15, 31, tzinfo=UTC)
BAR = TICK - MINUTE
# Alone, without news: (0.25 x setup + 0.20 x volatility + 0.20 x 0.5) / 0.65.
GOOD, FAIR, POOR = 0.0, 0.005, 0.02


def run(db: Database, tick: datetime = TICK, rules: Parameters | None = None) -> watchlist.Outcome:
    return watchlist.run(
        TickRequest(tick=tick),
        db=db,
        clock=FixedClock(tick + timedelta(seconds=4)),
        parameters=in_force(db, rules),
    )


def put(db: Database, distance: float, *, ticker: str = "AAA", ts: datetime = BAR) -> None:
    """Features at that distance from the average; vol_ratio 1.1 gives a half."""
    found = features(ticker=ticker, ts=ts, distance_sma20=distance, vol_ratio=1.1)
    store_features(db, found, version=in_force(db).version, now=ts + MINUTE)


def state(db: Database, ticker: str = "AAA") -> Row:
    (row,) = rows(db, "SELECT * FROM watchlist_state WHERE ticker = :ticker", ticker=ticker)
    return row


def tell(
    db: Database, ticker: str, *, score: float, published_at: datetime, number: int = 1
) -> None:
    """A classified story about the ticker, by a feed of that number."""
    item = UUID(int=number)
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO inbound_events_raw (id, event_uid, story_id, published_at, source, title,"
            " feed_url, fetched_at)"
            " VALUES (:id, :uid, :id, :at, 'test', 'A line', CAST(:feed AS text), :at)",
            feed=f"http://x/{number}",
            id=item,
            uid=f"{number}" * 64,
            at=published_at,
        )
        tx.execute(
            "INSERT INTO inbound_events_classified (id, raw_event_id, story_id, published_at,"
            " tickers, status, sentiment_label, sentiment_score, positive_probability,"
            " neutral_probability, negative_probability, model, created_at)"
            " VALUES (:id, :id, :id, :at, CAST(:tickers AS text[]), 'CLASSIFIED', 'positive',"
            " :score, 1, 0, 0, 'test', :at)",
            id=item,
            at=published_at,
            tickers=[ticker],
            score=score,
        )


def test_every_watched_ticker_has_one_row_scored_or_not(db: Database) -> None:
    watch(db, "AAA", "BBB")
    put(db, GOOD)
    outcome = run(db)
    assert (outcome.tickers, outcome.scored, outcome.listed, outcome.entered) == (2, 1, 1, 1)
    listed, unscored = state(db), state(db, "BBB")
    assert listed["watch_score"] == pytest.approx((0.25 + 0.10 + 0.10) / 0.65)
    assert (listed["rank"], listed["in_watchlist"], listed["entered_at"]) == (1, True, TICK)
    assert listed["reasons"]["terms"]["setup"]["value"] == 1.0
    assert (unscored["watch_score"], unscored["rank"], unscored["in_watchlist"]) == (
        None,
        None,
        False,
    )


def test_a_member_stays_between_the_two_limits_and_leaves_under_the_lower(db: Database) -> None:
    watch(db, "AAA")
    entered = []
    for minute, distance in enumerate((FAIR, GOOD, FAIR, POOR)):
        put(db, distance, ts=BAR + minute * MINUTE)
        run(db, TICK + minute * MINUTE)
        entered.append(state(db)["entered_at"])
    assert entered == [None, TICK + MINUTE, TICK + MINUTE, None]


def test_a_ticker_whose_features_are_old_leaves_the_list(db: Database) -> None:
    watch(db, "AAA")
    put(db, GOOD)
    assert run(db, TICK + 5 * MINUTE).listed == 1
    assert run(db, TICK + 6 * MINUTE).left == 1


def test_a_ticker_held_back_leaves_the_list_at_once(db: Database) -> None:
    watch(db, "AAA")
    put(db, GOOD)
    run(db)
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO price_holds (ticker, ts, day, reason, previous_close, close, seen_at)"
            " VALUES ('AAA', :ts, :day, 'split', 700, 100, :ts)",
            ts=BAR,
            day=date(2026, 2, 4),
        )
    assert run(db).left == 1


def test_a_ticker_that_is_watched_no_more_leaves_the_list(db: Database) -> None:
    watch(db, "AAA")
    put(db, GOOD)
    run(db)
    watch(db, "BBB")
    assert run(db).left == 1
    assert state(db)["in_watchlist"] is False


def test_news_weighs_in_and_is_kept_with_the_score(db: Database) -> None:
    watch(db, "AAA")
    put(db, GOOD)
    for number in (1, 2):
        tell(db, "AAA", score=0.8, published_at=TICK - 30 * MINUTE, number=number)
    run(db)
    row = state(db)
    freshness = 1 - (30 + 4 / 60) / 60
    assert row["pressure"] == pytest.approx(0.5 * 0.8 + 0.3 * 2 / 5 + 0.2 * freshness)
    assert row["reasons"]["from"]["stories"] == 2
    assert len(row["reasons"]["from"]["sources"]) == 2


def test_news_of_one_feed_alone_leaves_a_ticker_s_place_as_it_is(db: Database) -> None:
    watch(db, "AAA")
    put(db, GOOD)
    run(db)
    before = state(db)
    tell(db, "AAA", score=0.8, published_at=TICK - 30 * MINUTE)
    run(db)
    row = state(db)
    assert (row["watch_score"], row["pressure"]) == (before["watch_score"], None)
    assert row["reasons"]["from"]["stories"] == 1


def test_the_list_is_no_longer_than_its_size(db: Database) -> None:
    watch(db, "AAA", "BBB", "CCC")
    for ticker in ("AAA", "BBB", "CCC"):
        put(db, GOOD, ticker=ticker)
    assert run(db, rules=Parameters(watchlist=WatchlistRules(size=2))).listed == 2
    assert state(db, "CCC")["in_watchlist"] is False


def test_the_same_tick_again_changes_nothing(db: Database) -> None:
    watch(db, "AAA", "BBB")
    put(db, GOOD)
    put(db, FAIR, ticker="BBB")
    run(db)
    before = rows(db, "SELECT * FROM watchlist_state ORDER BY ticker")
    run(db)
    assert rows(db, "SELECT * FROM watchlist_state ORDER BY ticker") == before


def test_a_ticker_that_cannot_be_scored_says_why_and_the_others_are_scored(db: Database) -> None:
    watch(db, "AAA", "BAD")
    put(db, GOOD)
    odd = features(ticker="BAD", ts=BAR, distance_sma20=GOOD, vol_ratio=nan)
    store_features(db, odd, version=in_force(db).version, now=TICK)
    outcome = run(db)
    assert (outcome.scored, outcome.listed, outcome.failed) == (1, 1, 1)
    assert state(db, "BAD")["reasons"]["unscored"].startswith("ValueError")
    assert state(db)["in_watchlist"] is True
