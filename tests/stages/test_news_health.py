"""Feeds that are not well open an alert each, which ends with its cause; the doctor names them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops_local.cli import main
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.operations.news_health import MOST_OF_ONE_TICKER
from ops_pipeline.stages import healthcheck
from ops_pipeline.stages.request import TickRequest
from tests.support.fakes import FixedClock
from tests.support.subscribing import WIRE, store_item, subscribe_wire

NOON = datetime(2026, 2, 4, 17, 0, tzinfo=UTC)
_RUN = """
INSERT INTO pipeline_runs (run_id, stage, tick, scope, attempt, status, owner, lease_expires_at,
    started_at, finished_at, counts)
VALUES (CAST(md5('run') AS uuid), 'rss_ingest', :at, '*', 1, 'succeeded', 'test', :at, :at, :at,
    '{}')
"""
_CLASSIFY = """
INSERT INTO inbound_events_classified (id, raw_event_id, story_id, tickers, status, sentiment_label,
    sentiment_score, positive_probability, neutral_probability, negative_probability, model,
    created_at)
SELECT id, id, story_id, CAST(:tickers AS text[]), 'CLASSIFIED', 'neutral', 0, 0, 1, 0, 'test',
    fetched_at
FROM inbound_events_raw
"""
NEWS = ("no_feeds", "feed_failing", "feed_old", "feed_undated", "feed_floods")


@pytest.fixture
def running(db: Database) -> Database:
    """A pipeline that has run since the morning, with one feed that has just answered."""
    subscribe_wire(db)
    with db.transaction() as tx:
        tx.execute(_RUN, at=NOON - timedelta(hours=3))
        store_item(tx, 0, NOON - timedelta(minutes=5))
    state(db, last_succeeded_at=NOON, newest_item_at=NOON, last_items=5)
    return db


def state(db: Database, **columns: object) -> None:
    told = ", ".join(f"{name} = :{name}" for name in columns)
    with db.transaction() as tx:
        tx.execute(f"UPDATE feed_state SET {told}", **columns)


def news_alerts(db: Database, tick: datetime = NOON) -> dict[str, str]:
    """What one healthcheck finds of the news: kind and message."""
    healthcheck.run(TickRequest(tick=tick), db=db, calendar=NyseCalendar(), clock=FixedClock(tick))
    with db.transaction() as tx:
        rows = tx.rows(
            "SELECT kind, subject, message FROM alerts WHERE resolved_at IS NULL"
            " AND (kind = ANY(CAST(:kinds AS text[])) OR subject = 'inbound_events_raw')",
            kinds=list(NEWS),
        )
    return {row["kind"]: row["message"] for row in rows}


def test_a_feed_that_answers_with_news_raises_nothing(running: Database) -> None:
    assert news_alerts(running) == {}


def test_no_feed_is_not_healthy_and_one_alert_says_it(running: Database) -> None:
    state(running, active=False)
    assert list(news_alerts(running, NOON + timedelta(hours=3))) == ["no_feeds"]
    state(running, active=True)
    assert "no_feeds" not in news_alerts(running, NOON + timedelta(hours=3))


def test_a_feed_that_has_failed_for_hours_is_named_with_the_reason(running: Database) -> None:
    failing = {"failures_in_a_row": 7, "last_error": "the answer is no feed but a web page"}
    state(running, **failing, last_succeeded_at=NOON - timedelta(hours=1))
    assert news_alerts(running) == {}, "it may come back"
    state(running, last_succeeded_at=NOON - timedelta(hours=2))
    assert news_alerts(running)["feed_failing"].endswith("no feed but a web page")
    state(running, failures_in_a_row=0, last_error=None, last_succeeded_at=NOON)
    assert news_alerts(running) == {}
    state(running, **failing, last_succeeded_at=None, subscribed_at=None)
    assert "ever" in news_alerts(running, NOON + timedelta(minutes=5))["feed_failing"]


def test_a_feed_that_answers_and_is_abandoned_is_found(running: Database) -> None:
    state(running, newest_item_at=NOON - timedelta(hours=97))
    assert "newest item is of 2026-01-31" in news_alerts(running)["feed_old"]
    state(running, max_age_h=100)
    assert news_alerts(running) == {}
    state(running, newest_item_at=None, last_items=1)
    later = NOON + timedelta(minutes=5)
    assert "no item with a plausible time" in news_alerts(running, later)["feed_old"]
    state(running, last_items=0)
    assert news_alerts(running) == {}, "it may be empty: it was added this morning"


def test_no_new_item_in_two_hours_of_a_session_is_found(running: Database) -> None:
    opened = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
    early, late = opened + timedelta(minutes=115), NOON + timedelta(minutes=120)
    assert news_alerts(running, early) == {}
    state(running, last_succeeded_at=late, newest_item_at=late)
    assert "inbound_events_raw is 7500 s old" in news_alerts(running, late)["output_stale"]
    with running.transaction() as tx:
        store_item(tx, 1, late)
    assert "output_stale" not in news_alerts(running, late)


def test_a_feed_whose_times_are_of_no_use_is_found(running: Database) -> None:
    with running.transaction() as tx:
        for number in range(1, 8):
            store_item(tx, number, NOON - timedelta(minutes=6))
        for number in range(10, 12):
            store_item(tx, number, NOON - timedelta(minutes=6), published_at_reason="too_old")
    assert news_alerts(running) == {}
    with running.transaction() as tx:
        for number in range(20, 23):
            store_item(tx, number, NOON - timedelta(minutes=6), published_at_reason="no_zone")
    assert "3 of 13 items" in news_alerts(running)["feed_undated"]


def test_a_feed_that_floods_one_ticker_is_found(running: Database) -> None:
    with running.transaction() as tx:
        for number in range(1, MOST_OF_ONE_TICKER):
            store_item(tx, number, NOON - timedelta(minutes=6))
        tx.execute(_CLASSIFY, tickers=["AAPL"])
    assert (
        f"{MOST_OF_ONE_TICKER} of its {MOST_OF_ONE_TICKER} items of an hour name AAPL"
        in (news_alerts(running)["feed_floods"])
    )
    assert "feed_floods" not in news_alerts(running, NOON + timedelta(hours=1))


def test_what_an_alert_told_of_a_feed_ends_when_somebody_switches_it_off(
    running: Database,
) -> None:
    state(running, newest_item_at=NOON - timedelta(days=30))
    assert "feed_old" in news_alerts(running)
    state(running, active=False)
    assert list(news_alerts(running)) == ["no_feeds"]


def test_the_doctor_says_the_same_without_any_run(
    running: Database,
    admin_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", admin_url)
    state(running, newest_item_at=NOON - timedelta(days=30))
    assert main(["doctor", "--json"]) == 1
    found: dict[str, list[dict[str, Any]]] = json.loads(capsys.readouterr().out)
    (row,) = found["News"]
    assert (row["finding"], row["subject"]) == ("feed_old", WIRE)
