"""Evaluations and recommendations as they are stored."""

from datetime import UTC, datetime, timedelta
from math import nan
from uuid import UUID

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.features import Features
from ops_pipeline.domain.market import MINUTE
from ops_pipeline.stages import signals, watchlist
from ops_pipeline.stages.request import TickRequest
from tests.support.builders_market import features, in_force, rows, store_features, watch
from tests.support.fakes import FixedClock

TICK = datetime(2026, 2, 4, 15, 31, tzinfo=UTC)


def breakout(ticker: str, tick: datetime = TICK, **changes: object) -> Features:
    """A bar that a signal comes of: up, above the noise, in three times the volume."""
    up = {"trend_state": 1, "distance_sma20": 0.003, "vol_ratio": 1.2, "volume_ratio": 3.0}
    return features(ticker=ticker, ts=tick - MINUTE, **{**up, **changes})


def breakdown(ticker: str) -> Features:
    return breakout(ticker, trend_state=-1, distance_sma20=-0.003)


def run(db: Database, tick: datetime = TICK, *, late_s: float = 5) -> signals.Outcome:
    """The watchlist and the signals of one tick."""
    clock, parameters = FixedClock(tick + timedelta(seconds=late_s)), in_force(db)
    request = TickRequest(tick=tick)
    watchlist.run(request, db=db, clock=clock, parameters=parameters)
    return signals.run(request, db=db, clock=clock, parameters=parameters)


def put(db: Database, *found: Features) -> None:
    watch(db, *(each.ticker for each in found))
    store_features(db, *found, version=in_force(db).version, now=found[0].ts + MINUTE)


def hold_stock(db: Database, ticker: str, account: str, *, status: str = "open") -> None:
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO active_positions (id, account_name, ticker, symbol, instrument_type,"
            " strategy_type, side, quantity, opened_quantity, multiplier, entry_price, entry_time,"
            " trailing_armed, lifecycle_state, status, created_at, updated_at)"
            " VALUES (:id, :account, :ticker, :ticker, 'STOCK', 'day_trade', 'long', 5, 5, 1, 100,"
            " :now, false, 'initial', :status, :now, :now)",
            id=UUID(int=9),
            account=account,
            ticker=ticker,
            status=status,
            now=TICK - timedelta(hours=1),
        )


def test_a_signal_becomes_one_recommendation_for_each_active_account(db: Database) -> None:
    put(db, breakout("BBB"), breakout("AAA"))
    outcome = run(db)
    assert (outcome.evaluated, outcome.signals, outcome.recommendations) == (2, 2, 4)
    found = rows(db, "SELECT * FROM dispatch_recommendations ORDER BY id")
    assert [(row["id"], row["ticker"], row["account_name"]) for row in found] == [
        (20260204_000001, "AAA", "large"),
        (20260204_000002, "AAA", "tiny"),
        (20260204_000003, "BBB", "large"),
        (20260204_000004, "BBB", "tiny"),
    ]
    first = found[0]
    assert (first["ts"], first["created_at"]) == (TICK, TICK + timedelta(seconds=5))
    assert (first["action"], first["instrument_type"], first["strategy_type"]) == (
        "BUY",
        "STOCK",
        "day_trade",
    )
    assert (first["status"], first["parameter_version"]) == ("PENDING", 1)
    assert first["reason"]["instrument_reason"] == "options disabled"
    assert first["features_snapshot"]["distance_sma20"] == 0.003
    assert datetime.fromisoformat(first["features_snapshot"]["computed_at"]) == TICK
    assert first["sentiment_snapshot"] is None


def test_the_stored_arithmetic_gives_the_stored_confidence(db: Database) -> None:
    put(db, breakout("AAA"))
    run(db)
    (row,) = rows(db, "SELECT * FROM signal_evaluations")
    arithmetic = row["arithmetic"]
    product = sum(term["value"] * term["weight"] for term in arithmetic["base"]["terms"].values())
    for factor in arithmetic["factors"].values():
        product *= factor
    assert min(1.0, product) == pytest.approx(row["confidence"])
    assert (row["outcome"], row["direction"], row["features_ts"]) == (
        "SIGNAL",
        "bullish",
        TICK - MINUTE,
    )


def test_a_hold_leaves_its_evaluation_and_no_recommendation(db: Database) -> None:
    put(db, breakout("AAA", volume_ratio=0.4))
    outcome = run(db)
    assert (outcome.evaluated, outcome.signals, outcome.recommendations) == (1, 0, 0)
    (row,) = rows(db, "SELECT * FROM signal_evaluations")
    assert (row["outcome"], row["confidence"], row["reason"]) == (
        "HOLD",
        0,
        "Confidence 0.00 < 0.45",
    )
    assert row["arithmetic"]["factors"]["volume"] == 0


def test_a_ticker_that_is_not_on_the_watchlist_is_not_evaluated(db: Database) -> None:
    put(db, breakout("AAA", distance_sma20=0.015, vol_ratio=0.7))
    assert run(db) == signals.Outcome(0, 0, 0)


def test_a_ticker_rests_after_a_signal_and_says_so(db: Database) -> None:
    put(db, breakout("AAA"))
    run(db)
    for minute in (1, 14, 15):
        put(db, breakout("AAA", TICK + minute * MINUTE))
        run(db, TICK + minute * MINUTE)
    found = rows(db, "SELECT outcome, reason FROM signal_evaluations ORDER BY ts")
    assert [row["outcome"] for row in found] == ["SIGNAL", "HOLD", "HOLD", "SIGNAL"]
    assert found[1]["reason"] == "Rests until 15:46 UTC after its last signal"


def test_a_falling_price_sells_what_an_account_holds_and_buys_nothing(db: Database) -> None:
    put(db, breakdown("AAA"), breakdown("BBB"))
    hold_stock(db, "AAA", "tiny")
    outcome = run(db)
    assert (outcome.evaluated, outcome.signals, outcome.recommendations) == (2, 1, 1)
    (row,) = rows(db, "SELECT account_name, ticker, action FROM dispatch_recommendations")
    assert tuple(row.values()) == ("tiny", "AAA", "SELL")
    (held,) = rows(db, "SELECT outcome, reason FROM signal_evaluations WHERE ticker = 'BBB'")
    assert held["outcome"] == "HOLD"
    assert "options disabled" in held["reason"]


def test_a_position_that_is_closing_already_is_not_sold_again(db: Database) -> None:
    put(db, breakdown("AAA"))
    hold_stock(db, "AAA", "tiny", status="closing")
    assert run(db).recommendations == 0


def test_an_inactive_account_buys_nothing_but_still_sells(db: Database, owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        tx.execute("UPDATE accounts SET active = false WHERE account_name = 'tiny'")
    put(db, breakout("AAA"), breakdown("BBB"))
    hold_stock(db, "BBB", "tiny")
    run(db)
    found = rows(db, "SELECT account_name, action FROM dispatch_recommendations ORDER BY id")
    assert [tuple(row.values()) for row in found] == [("large", "BUY"), ("tiny", "SELL")]


def test_a_tick_that_was_decided_stays_as_it_was(db: Database) -> None:
    put(db, breakout("AAA"))
    run(db)
    tables = ("signal_evaluations", "dispatch_recommendations")
    before = [rows(db, f"SELECT * FROM {table}") for table in tables]
    assert run(db, late_s=60) == signals.Outcome(evaluated=1, signals=1, recommendations=0)
    assert [rows(db, f"SELECT * FROM {table}") for table in tables] == before


def test_numbers_go_on_where_the_day_left_off_and_start_anew_the_next_day(db: Database) -> None:
    for tick in (TICK, TICK + 20 * MINUTE, TICK + timedelta(days=1)):
        put(db, breakout("AAA", tick))
        run(db, tick)
    found = rows(db, "SELECT id FROM dispatch_recommendations ORDER BY id")
    assert [row["id"] for row in found] == [
        20260204_000001,
        20260204_000002,
        20260204_000003,
        20260204_000004,
        20260205_000001,
        20260205_000002,
    ]


def test_the_number_belongs_to_the_day_in_new_york(db: Database) -> None:
    evening = datetime(2026, 2, 5, 0, 30, tzinfo=UTC)
    put(db, breakout("AAA", evening))
    run(db, evening)
    (first, _) = rows(db, "SELECT id FROM dispatch_recommendations ORDER BY id")
    assert first["id"] == 20260204_000001


def test_a_ticker_whose_figures_are_none_is_held_by_name_and_the_others_go_on(db: Database) -> None:
    put(db, breakout("AAA"), breakout("BAD", recent_vol=nan), breakout("CCC"))
    outcome = run(db)
    assert (outcome.evaluated, outcome.signals, outcome.not_evaluated) == (3, 2, 1)
    found = rows(db, "SELECT ticker, outcome, reason FROM signal_evaluations ORDER BY ticker")
    assert [row["outcome"] for row in found] == ["SIGNAL", "HOLD", "SIGNAL"]
    assert found[1]["reason"].startswith("Not evaluated: ValueError")
