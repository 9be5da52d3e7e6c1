"""Halts of what is watched or held, and lists that nobody could read, open an alert each."""

from datetime import UTC, datetime, timedelta

import pytest

from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.stages import healthcheck
from ops_pipeline.stages.request import TickRequest
from tests.support.fakes import FixedClock
from tests.support.subscribing import subscribe, subscribe_wire

NOON = datetime(2026, 2, 4, 17, 0, tzinfo=UTC)
HALTS = "https://halts.example/list"
_RUN = """
INSERT INTO pipeline_runs (run_id, stage, tick, scope, attempt, status, owner, lease_expires_at,
    started_at, finished_at, counts)
VALUES (CAST(md5('run') AS uuid), 'rss_ingest', :at, '*', 1, 'succeeded', 'test', :at, :at, :at,
    '{}')
"""
_HALT = """
INSERT INTO trading_halts (ticker, source, reason, halted_at, seen_at, listed_at)
VALUES (:ticker, :source, :reason, :at, :at, :at)
"""
_WATCH = """
INSERT INTO tickers (ticker, name, exchange, is_watched) VALUES ('AAA', 'AAA', 'UNKNOWN', true)
"""


@pytest.fixture
def running(db: Database) -> Database:
    subscribe_wire(db)
    with db.transaction() as tx:
        tx.execute(_RUN, at=NOON - timedelta(hours=3))
        subscribe(tx, url=HALTS, source="Nasdaq", kind="nasdaq_halts")
        tx.execute(_WATCH)
    read(db, NOON)
    return db


def read(db: Database, at: datetime) -> None:
    with db.transaction() as tx:
        tx.execute("UPDATE feed_state SET last_succeeded_at = :at", at=at)


def halt(db: Database, ticker: str, source: str = "nasdaq_halts", reason: str = "LUDP") -> None:
    with db.transaction() as tx:
        tx.execute(_HALT, ticker=ticker, source=source, reason=reason, at=NOON)


def halt_alerts(db: Database, tick: datetime = NOON) -> dict[str, tuple[str, str]]:
    """What one healthcheck finds, by subject: severity and message."""
    healthcheck.run(TickRequest(tick=tick), db=db, calendar=NyseCalendar(), clock=FixedClock(tick))
    with db.transaction() as tx:
        rows = tx.rows(
            "SELECT subject, severity, message FROM alerts WHERE resolved_at IS NULL"
            " AND kind IN ('ticker_halted', 'halts_unread')"
        )
    return {row["subject"]: (row["severity"], row["message"]) for row in rows}


def test_a_halt_of_a_watched_ticker_is_told_with_reason_time_and_source(running: Database) -> None:
    halt(running, "AAA")
    halt(running, "ZZZ")
    found = halt_alerts(running)
    assert list(found) == ["AAA"]
    for word in ("2026-02-04 17:00:00 UTC", "LUDP, volatility pause", "nasdaq_halts"):
        assert word in found["AAA"][1]


def test_the_alert_ends_with_the_halt(running: Database) -> None:
    halt(running, "AAA")
    assert halt_alerts(running)
    with running.transaction() as tx:
        tx.execute("UPDATE trading_halts SET resumed_at = :at", at=NOON + timedelta(minutes=5))
    read(running, NOON + timedelta(minutes=5))
    assert halt_alerts(running, NOON + timedelta(minutes=5)) == {}


def test_a_halt_of_the_whole_market_is_critical(running: Database) -> None:
    for ticker in ("*", "AAA"):
        halt(running, ticker, reason="MWC1")
    assert [(subject, it[0]) for subject, it in halt_alerts(running).items()] == [("*", "critical")]


def test_what_an_exchange_says_goes_before_what_a_silence_suggests(running: Database) -> None:
    halt(running, "AAA", "silence", "no bar for 5 minutes")
    halt(running, "AAA")
    assert "nasdaq_halts" in halt_alerts(running)["AAA"][1]


def test_a_list_that_was_not_read_for_ten_minutes_is_told(running: Database) -> None:
    assert halt_alerts(running, NOON + timedelta(minutes=10)) == {}
    found = halt_alerts(running, NOON + timedelta(minutes=11))
    assert "not read since 2026-02-04 17:00 UTC" in found[HALTS][1]
    read(running, NOON + timedelta(minutes=12))
    assert halt_alerts(running, NOON + timedelta(minutes=12)) == {}


def test_lists_of_halts_are_no_news(running: Database) -> None:
    with running.transaction() as tx:
        tx.execute("UPDATE feed_state SET active = false WHERE kind = 'news'")
        assert [it.kind for it in healthcheck.examine_news(tx, NOON) if not it.passed] == [
            "no_feeds"
        ]
