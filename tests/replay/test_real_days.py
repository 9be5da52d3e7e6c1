"""Eight recorded real days, whole, through every machine and the shipped figures."""

import itertools
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from statistics import mean, stdev

import pytest

from ops_pipeline.domain.market import Bar, new_york_time
from tests.replay.conftest import REAL_DAYS, Day, Replay

# A session has 390 minutes; the machines of a session start from 09:25 to 16:10, and the
# replay covers 08:25 to 16:25. Bars are fetched twice more after the close. Both accounts
# are compared every five minutes from the opening to the close, and once a day.
RUNS = {
    "rss_ingest": 480,
    "classifier": 480,
    "market_clock": 2 * 406 + 79,
    "position_manager": 2 * 406,
    "telemetry": 390 + 2,
    "features": 390,
    "watchlist": 390,
    "signals": 390,
    "dispatcher": 2 * 390,
    "reconciler": 2 * (79 + 1),
    "market_regime": 51,
    "discovery": 1,
    "corporate_actions": 2,
    "report": 2,
    "retention": 2,
    "healthcheck": 96,
}


@pytest.fixture(scope="session", params=REAL_DAYS)
def day(request: pytest.FixtureRequest, replayed: Replay) -> Day:
    return replayed(request.param)


def test_every_stage_ran_on_every_tick_and_none_failed(day: Day) -> None:
    runs = day.rows("SELECT stage, status, count(*) AS runs FROM pipeline_runs GROUP BY 1, 2")
    assert {row["stage"]: row["runs"] for row in runs} == RUNS
    assert {row["status"] for row in runs} == {"succeeded"}
    assert day.tally.failures == []


def test_nothing_is_dated_outside_the_session(day: Day) -> None:
    date = day.recording.day
    session = {"opens": new_york_time(date, 9, 30), "closes": new_york_time(date, 16)}
    outside = {
        "lane_features": "ts < :opens OR ts >= :closes",
        "signal_evaluations": "ts < :opens OR ts > :closes",
        "dispatch_recommendations": "ts < :opens OR ts > :closes",
        "orders": "decided_at < :opens OR decided_at >= :closes",
        "fills": "executed_at < :opens OR executed_at > :closes",
        "position_telemetry": "ts < :opens OR ts >= :closes",
    }
    for table, condition in outside.items():
        assert day.value(f"SELECT count(*) FROM {table} WHERE {condition}", **session) == 0, table
    bars = {"from_hour": new_york_time(date, 4), "closes": session["closes"]}
    strays = "SELECT count(*) FROM lane_telemetry WHERE ts < :from_hour OR ts >= :closes"
    assert day.value(strays, **bars) == 0


def test_every_final_bar_of_the_session_is_stored(day: Day) -> None:
    date = day.recording.day
    begins, closes = new_york_time(date, 4), new_york_time(date, 16)
    recorded = {
        (bar.ticker, bar.ts, bar.close, bar.volume)
        for bars in day.recording.bars.values()
        for bar in bars
        if begins <= bar.ts < closes
    }
    stored = {
        (row["ticker"], row["ts"], row["close"], row["volume"])
        for row in day.rows("SELECT ticker, ts, close, volume FROM lane_telemetry")
    }
    rejected = day.rows("SELECT ticker, ts FROM lane_telemetry_rejected")
    kept_aside = {(row["ticker"], row["ts"]) for row in rejected}
    assert {bar for bar in recorded if bar[:2] not in kept_aside} == stored


def test_features_agree_with_plain_arithmetic_over_the_recording(day: Day) -> None:
    held = {row["ticker"] for row in day.rows("SELECT DISTINCT ticker FROM price_holds")}
    opens = new_york_time(day.recording.day, 9, 30)
    expected = {
        (ticker, window[-1].ts): by_hand(window)
        for ticker, bars in day.recording.bars.items()
        if ticker not in held
        for window in windows([bar for bar in bars if bar.ts >= opens])
    }
    rows = day.rows("SELECT * FROM lane_features")
    assert len(rows) > 300
    for row in rows:
        wanted = expected[row["ticker"], row["ts"]]
        assert {name for name in wanted if row[name] is None} == {
            name for name, value in wanted.items() if value is None
        }
        known = {name: value for name, value in wanted.items() if value is not None}
        assert {name: row[name] for name in known} == pytest.approx(known, rel=1e-9)


def test_the_broker_and_we_agree_at_the_end_of_the_day(day: Day) -> None:
    ours = day.rows("SELECT client_order_id, status, filled_qty FROM orders")
    theirs = {row["client_order_id"]: row for row in day.broker_tables["orders"]}
    assert sorted(theirs) == sorted(row["client_order_id"] for row in ours)
    for row in ours:
        assert Decimal(theirs[row["client_order_id"]]["filled_qty"]) == row["filled_qty"]
    assert day.value("SELECT count(*) FROM active_positions WHERE status <> 'closed'") == 0
    assert [p for p in day.broker_tables["positions"] if Decimal(p["qty"]) != 0] == []


def test_every_closed_position_has_one_history_row_that_its_fills_add_up_to(day: Day) -> None:
    rows = day.rows(
        """
        SELECT h.pnl_dollars, h.verified,
            (SELECT sum(CASE f.side WHEN 'sell' THEN 1 ELSE -1 END * f.quantity * f.price)
             FROM fills AS f JOIN orders AS o USING (client_order_id)
             WHERE o.position_id = p.id
                OR o.client_order_id = e.client_order_id) AS by_fills
        FROM active_positions AS p
        JOIN dispatch_executions AS e ON e.execution_id = p.execution_id
        LEFT JOIN position_history AS h ON h.position_id = p.id
        WHERE p.status = 'closed'
        """
    )
    assert all(row["verified"] and row["pnl_dollars"] == row["by_fills"] for row in rows)


def test_every_recommendation_came_to_an_end_other_than_failed(day: Day) -> None:
    statuses = Counter(
        row["status"] for row in day.rows("SELECT status FROM dispatch_recommendations")
    )
    assert set(statuses) <= {"EXECUTED", "SKIPPED", "CANCELLED", "EXPIRED"}


def test_a_split_holds_its_ticker_back_for_the_session(replayed: Replay) -> None:
    day = replayed("2014-06-09")
    (held,) = day.rows("SELECT ticker, ts, resolved_at FROM price_holds")
    assert (held["ticker"], held["resolved_at"]) == ("AAPL", None)
    assert day.value("SELECT count(*) FROM lane_telemetry WHERE ticker = 'AAPL'") > 390
    for table in (
        "lane_features",
        "signal_evaluations",
        "dispatch_recommendations",
        "orders",
        "active_positions",
    ):
        assert day.value(f"SELECT count(*) FROM {table} WHERE ticker = 'AAPL'") == 0, table
    (alert,) = day.rows("SELECT scope, severity FROM alerts WHERE subject = 'AAPL'")
    assert alert["severity"] in {"warning", "critical"}


def windows(bars: list[Bar]) -> list[list[Bar]]:
    """The bars each feature row is computed from: at most 120, at least 50, newest last."""
    return [bars[max(0, end - 120) : end] for end in range(50, len(bars) + 1)]


def by_hand(window: list[Bar]) -> Mapping[str, float | int | bool | None]:
    """The table of features, written down as it reads, with the statistics module."""
    closes = [float(bar.close) for bar in window]
    volumes = [bar.volume for bar in window]
    returns = [later / earlier - 1 for earlier, later in itertools.pairwise(closes)]
    sma20, sma50 = mean(closes[-20:]), mean(closes[-50:])
    recent, baseline = stdev(returns[-29:]), stdev(returns)
    average = mean(volumes[-20:])
    gap = (sma20 - sma50) / sma50
    by_minute = {bar.ts: float(bar.close) for bar in window}

    def back(minutes: int) -> float | None:
        earlier = by_minute.get(window[-1].ts - timedelta(minutes=minutes))
        return None if earlier is None else closes[-1] / earlier - 1

    ratio = volumes[-1] / average if average else None
    return {
        "sma20": sma20,
        "sma50": sma50,
        "recent_vol": recent,
        "baseline_vol": baseline,
        "vol_ratio": recent / baseline if baseline else None,
        "distance_sma20": (closes[-1] - sma20) / sma20,
        "distance_sma50": (closes[-1] - sma50) / sma50,
        "trend_state": 1 if gap > 0.0005 else -1 if gap < -0.0005 else 0,
        "volume_current": volumes[-1],
        "volume_avg_20": average,
        "volume_ratio": ratio,
        "volume_surge": None if ratio is None else ratio > 2.0,
        "return_5m": back(5),
        "return_15m": back(15),
    }
