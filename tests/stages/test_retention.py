"""What is old goes, in batches and bounded time; what trading left behind stays."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from pg8000.exceptions import DatabaseError

from ops_pipeline.db import runs
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.operations.retention import STATEMENTS
from ops_pipeline.domain.operations.retention import KEPT_DAYS, Table, oldest_kept
from ops_pipeline.stages import retention
from ops_pipeline.stages.request import TickRequest
from tests.support.builders_trading import TradingBench
from tests.support.fakes import FixedClock

TICK = datetime(2026, 2, 4, 21, 20, tzinfo=UTC)
DAY = timedelta(days=1)
TABLES: tuple[Table, ...] = get_args(Table)

# One row of each table, of that moment.
ROWS: Mapping[Table, str] = {
    "inbound_events_raw": """
        WITH raw AS (
            INSERT INTO inbound_events_raw (id, event_uid, story_id, published_at_reason, source,
                feed_url, fetched_at, processed_at)
            VALUES (CAST(md5(:at) AS uuid), repeat(md5(:at), 2), CAST(md5(:at) AS uuid),
                'missing', 's', 'http://f', CAST(:at AS timestamptz), CAST(:at AS timestamptz))
            RETURNING id, fetched_at)
        INSERT INTO inbound_events_classified (id, raw_event_id, story_id, status, reason, model,
            created_at)
        SELECT id, id, id, 'UNCLASSIFIABLE', 'empty', 'm', fetched_at FROM raw""",
    "lane_telemetry": """
        INSERT INTO lane_telemetry VALUES ('SPY', CAST(:at AS timestamptz), 1, 1, 1, 1, 5, 'iex',
            CAST(:at AS timestamptz) + interval '1 minute')""",
    "lane_telemetry_rejected": """
        INSERT INTO lane_telemetry_rejected VALUES ('SPY', CAST(:at AS timestamptz), 'odd',
            1, 1, 1, 1, 5, 'iex', CAST(:at AS timestamptz))""",
    "lane_features": """
        INSERT INTO lane_features (ticker, ts, close, sma20, sma50, recent_vol, baseline_vol,
            distance_sma20, distance_sma50, trend_state, volume_current, volume_avg_20,
            bar_count, computed_at, parameter_version)
        VALUES ('SPY', CAST(:at AS timestamptz), 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 50,
            CAST(:at AS timestamptz) + interval '1 minute', 1)""",
    "signal_evaluations": """
        INSERT INTO signal_evaluations (ticker, ts, features_ts, outcome, reason, arithmetic,
            computed_at, parameter_version)
        VALUES ('SPY', CAST(:at AS timestamptz), CAST(:at AS timestamptz), 'HOLD', 'flat', '{}',
            CAST(:at AS timestamptz), 1)""",
    "option_bars": """
        INSERT INTO option_bars VALUES ('SPY260204C1', CAST(:at AS timestamptz), 'SPY',
            1, 1, 1, 1, 5, 'indicative', CAST(:at AS timestamptz))""",
    "iv_surface": """
        INSERT INTO iv_surface (option_symbol, ts, ticker, option_type, strike_price,
            expiration_date, option_feed, computed_at)
        VALUES ('SPY260204C1', CAST(:at AS timestamptz), 'SPY', 'CALL', 1, '2026-02-04',
            'indicative', CAST(:at AS timestamptz))""",
    "broker_comparisons": """
        INSERT INTO broker_comparisons VALUES ('large', CAST(:at AS timestamptz),
            CAST(:at AS timestamptz), 'agrees', 0, '[]', 5)""",
    "position_telemetry": """
        INSERT INTO position_telemetry
        SELECT id, CAST(:at AS timestamptz), account_name, 1, 1, 1, 0, 0 FROM active_positions""",
    "quote_samples": """
        WITH fetched AS (
            INSERT INTO quote_fetches VALUES (CAST(:at AS timestamptz), CAST(:at AS timestamptz)))
        INSERT INTO quote_samples (symbol, fetched_at, data_feed)
        VALUES ('SPY', CAST(:at AS timestamptz), 'iex')""",
    "pipeline_runs": """
        WITH run AS (
            INSERT INTO pipeline_runs VALUES (CAST(md5(:at) AS uuid), 'report',
                CAST(:at AS timestamptz), '*', 1, 'succeeded', 'o', CAST(:at AS timestamptz),
                CAST(:at AS timestamptz), CAST(:at AS timestamptz))
            RETURNING run_id)
        INSERT INTO run_timings SELECT run_id, 1, 5 FROM run""",
    "trading_halts": """
        INSERT INTO trading_halts
            (ticker, source, reason, halted_at, resumed_at, seen_at, listed_at)
        VALUES ('SPY', 'nasdaq_halts', 'T1', CAST(:at AS timestamptz), CAST(:at AS timestamptz),
            CAST(:at AS timestamptz), CAST(:at AS timestamptz))""",
    "unbooked_facts": """
        INSERT INTO unbooked_facts VALUES ('large', 'fill', md5(:at), 'SPY', 'unknown', '{}',
            CAST(:at AS timestamptz), CAST(:at AS timestamptz), CAST(:at AS timestamptz),
            'gone')""",
}


@pytest.fixture
def bench(bench: TradingBench) -> TradingBench:
    """A position for the marks to belong to, and all else that a day of trading leaves."""
    bench.buy()
    for table in TABLES:
        bench.run(f"DELETE FROM {table}" if table != "inbound_events_raw" else "SELECT 1")
    return bench


def put(bench: TradingBench, table: Table, *moments: datetime) -> None:
    for moment in moments:
        bench.run(ROWS[table], at=moment.isoformat())


def count(bench: TradingBench, table: str) -> int:
    (row,) = bench.rows(f"SELECT count(*) AS count FROM {table}")
    return int(row["count"])


def clean(bench: TradingBench, **how: int) -> retention.Outcome:
    return retention.run(TickRequest(tick=TICK), db=bench.db, clock=FixedClock(TICK), **how)


def test_what_is_a_day_older_than_its_table_keeps_goes_and_the_oldest_kept_day_stays(
    bench: TradingBench,
) -> None:
    for table in TABLES:
        oldest = oldest_kept(table, TICK)
        put(bench, table, oldest - DAY, oldest - timedelta(minutes=1), oldest, TICK - DAY)

    assert clean(bench).deleted == dict.fromkeys(sorted(TABLES), 2)

    assert {table: count(bench, table) for table in TABLES} == dict.fromkeys(TABLES, 2)
    assert count(bench, "inbound_events_classified") == count(bench, "run_timings") == 2
    # The second run of the day finds nothing.
    assert clean(bench) == retention.Outcome(deleted={}, budget_spent=0)


def test_a_replayed_day_loses_nothing_of_its_own(bench: TradingBench) -> None:
    midnight = oldest_kept("lane_telemetry", TICK) + KEPT_DAYS["lane_telemetry"] * DAY
    for table in TABLES:
        put(bench, table, midnight, TICK - timedelta(minutes=2))

    assert clean(bench).deleted == {}


def test_a_backlog_is_worked_off_in_batches_and_what_is_left_is_said(bench: TradingBench) -> None:
    oldest = oldest_kept("lane_telemetry", TICK)
    put(
        bench,
        "lane_telemetry",
        *(oldest - minutes * timedelta(minutes=1) for minutes in range(1, 8)),
    )

    first = clean(bench, batch=2, most_batches=2)
    assert (first.deleted, first.budget_spent) == ({"lane_telemetry": 4}, 1)
    (left,) = bench.rows("SELECT min(ts) AS ts FROM lane_telemetry")
    assert left["ts"] == oldest - timedelta(minutes=3)

    second = clean(bench, batch=2, most_batches=3)
    assert (second.deleted, second.budget_spent) == ({"lane_telemetry": 3}, 0)


def test_a_table_with_a_backlog_does_not_starve_the_others(bench: TradingBench) -> None:
    for table in TABLES:
        oldest = oldest_kept(table, TICK)
        put(bench, table, oldest - DAY, oldest - 2 * DAY, oldest - 3 * DAY)

    assert set(clean(bench, batch=1, most_batches=1).deleted.values()) == {1}


def test_it_stops_when_its_time_is_over(bench: TradingBench) -> None:
    put(bench, "lane_telemetry", oldest_kept("lane_telemetry", TICK) - DAY)

    class LateClock(FixedClock):
        def now(self) -> datetime:
            self.advance(retention.BUDGET.total_seconds())
            return self.at

    outcome = retention.run(TickRequest(tick=TICK), db=bench.db, clock=LateClock(TICK))

    assert outcome == retention.Outcome(deleted={}, budget_spent=1)


def test_a_dry_run_says_what_would_go_and_keeps_it(bench: TradingBench) -> None:
    put(bench, "lane_features", oldest_kept("lane_features", TICK) - DAY)
    request = TickRequest(tick=TICK, dry_run=True)

    outcome = retention.run(request, db=runs.DryDatabase(bench.db), clock=FixedClock(TICK))

    assert outcome.deleted == {"lane_features": 1}
    assert count(bench, "lane_features") == 1


def test_an_item_that_still_waits_for_the_classifier_is_kept_whatever_its_age(
    bench: TradingBench,
) -> None:
    put(bench, "inbound_events_raw", oldest_kept("inbound_events_raw", TICK) - DAY)
    bench.run("DELETE FROM inbound_events_classified")
    bench.run("UPDATE inbound_events_raw SET processed_at = NULL")

    assert clean(bench).deleted == {}


def test_a_run_that_never_ended_keeps_its_fence(bench: TradingBench) -> None:
    put(bench, "pipeline_runs", oldest_kept("pipeline_runs", TICK) - DAY)
    bench.run("UPDATE pipeline_runs SET status = 'running', finished_at = NULL")

    assert clean(bench).deleted == {}


def test_years_later_orders_fills_history_and_the_audit_are_all_still_there(
    bench: TradingBench,
) -> None:
    bench.guard()
    kept = [
        row["table_name"]
        for row in bench.rows(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
        if row["table_name"] not in (*TABLES, "run_timings", "inbound_events_classified")
    ]
    before = {table: count(bench, table) for table in kept}
    assert before["orders"]
    assert before["fills"]

    later = TickRequest(tick=TICK + 3_000 * DAY)
    retention.run(later, db=bench.db, clock=FixedClock(TICK))

    assert {table: count(bench, table) for table in kept} == before
    assert {table: count(bench, table) for table in TABLES} == dict.fromkeys(TABLES, 0)


def test_its_login_could_not_delete_them_if_it_tried(db: Database) -> None:
    for table in ("orders", "fills", "position_history", "operator_actions", "alerts"):
        with pytest.raises(DatabaseError, match="permission denied"), db.transaction() as tx:
            tx.execute(f"DELETE FROM {table}")


def test_old_rows_are_found_by_an_index(db: Database) -> None:
    for table, statement in STATEMENTS.items():
        sql = statement.replace(":before", "now()").replace(":most", "5")
        with db.transaction() as tx:
            tx.execute("SET LOCAL enable_seqscan = off")
            plan = "\n".join(row["QUERY PLAN"] for row in tx.rows(f"EXPLAIN {sql}"))
        assert "Index Scan using" in plan, table
        assert "Sort" not in plan, table
