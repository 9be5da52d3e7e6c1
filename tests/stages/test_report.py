"""A day's figures, account by account, real and simulated apart."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.stages import report
from ops_pipeline.stages.request import TickRequest
from tests.support.builders_market import in_force

EVENING = datetime(2026, 2, 4, 21, 20, tzinfo=UTC)
NOON = datetime(2026, 2, 4, 17, 0, tzinfo=UTC)


def told(db: Database, tick: datetime = EVENING) -> report.Outcome:
    return report.run(TickRequest(tick=tick), db=db)


def close_position(
    db: Database, number: int, *, pnl: str | None, mode: str = "ALPACA_PAPER", when: datetime = NOON
) -> None:
    """Write a closed position of `large` and its history; `pnl` None is unverified."""
    with db.transaction() as tx:
        position_id = f"00000000-0000-8000-8000-{number:012}"
        tx.execute(
            """
            INSERT INTO active_positions (id, account_name, ticker, symbol, instrument_type,
                strategy_type, side, quantity, opened_quantity, multiplier, entry_price,
                entry_time, trailing_armed, lifecycle_state, status, close_reason, created_at,
                updated_at, closed_at)
            VALUES (:id, 'large', 'AAPL', 'AAPL', 'STOCK', 'day_trade', 'long', 0, 10, 1, 100,
                :at, false, 'initial', 'closed', 'time', :at, :at, :at)
            """,
            id=position_id,
            at=when,
        )
        tx.execute(
            """
            INSERT INTO position_history (id, position_id, account_name, ticker, instrument_type,
                strategy_type, side, quantity, entry_price, exit_price, entry_time, exit_time,
                pnl_dollars, pnl_pct, multiplier, exit_reason, holding_minutes, win_loss_label,
                execution_mode, verified)
            VALUES (:id, :id, 'large', 'AAPL', 'STOCK', 'day_trade', 'long', 10, 100,
                CASE WHEN :is_known THEN 101 END, :at, :at, CAST(:pnl AS numeric),
                CASE WHEN :is_known THEN 1.0 END, 1, 'time', 5,
                CASE WHEN :is_known THEN
                    CASE WHEN CAST(:pnl AS numeric) > 0 THEN 'win' ELSE 'loss' END END,
                :mode, :is_known)
            """,
            id=position_id,
            at=when,
            pnl=None if pnl is None else Decimal(pnl),
            is_known=pnl is not None,
            mode=mode,
        )


def test_a_day_without_anything_is_told_as_zeros_and_empty_lists(db: Database) -> None:
    outcome = told(db)

    assert outcome.day == "2026-02-04"
    assert outcome.news == {"items": 0, "classified": 0, "unclassifiable": 0}
    assert outcome.market["bars"] == 0
    assert outcome.results == outcome.executions == outcome.failures == []


def test_results_are_summed_exactly_with_real_and_simulated_apart(db: Database) -> None:
    close_position(db, 1, pnl="0.10")
    close_position(db, 2, pnl="-3.35")
    close_position(db, 3, pnl="1000", mode="SIMULATED")
    close_position(db, 4, pnl=None)
    close_position(db, 5, pnl="77", when=NOON - timedelta(days=1))

    real, simulated = told(db).results

    assert real == {
        "account": "large",
        "mode": "ALPACA_PAPER",
        "closed": 3,
        "unverified": 1,
        "wins": 1,
        "pnl_usd": "-3.25",
        "fees_usd": None,
        "pnl_net_usd": None,
    }
    assert (simulated["mode"], simulated["pnl_usd"]) == ("SIMULATED", "1000")


def charge(db: Database, number: int, usd: str) -> None:
    """Let the order that sold that position cost so much."""
    with db.transaction() as tx:
        tx.execute(
            """
            INSERT INTO orders (client_order_id, account_name, purpose, attempt, ticker, symbol,
                instrument_type, multiplier, side, quantity, order_type, time_in_force,
                reserved_notional, status, reason, broker_order_id, filled_qty, filled_avg_price,
                decided_at, terminal_at, tick, execution_mode, broker)
            VALUES (:order, 'large', 'adopted', 1, 'AAPL', 'AAPL', 'STOCK', 1, 'sell', 10,
                'market', 'day', 0, 'filled', 'adopted', :order, 10, 101, :at, :at, :at,
                'ALPACA_PAPER', 'alpaca')
            """,
            order=f"sold-{number}",
            at=NOON,
        )
        tx.execute(
            "INSERT INTO order_costs VALUES ('large', :order, '2026-02-04', 'TAF',"
            " CAST(:position_id AS uuid), CAST(:usd AS numeric), NULL, :at, NULL)",
            order=f"sold-{number}",
            position_id=f"00000000-0000-8000-8000-{number:012}",
            usd=usd,
            at=NOON,
        )


def test_results_are_net_of_the_fees_that_are_known(db: Database) -> None:
    close_position(db, 1, pnl="5.00")
    close_position(db, 2, pnl="-1.00")
    charge(db, 1, "0.25")
    charge(db, 2, "0.05")

    (result,) = told(db).results

    assert (result["pnl_usd"], result["fees_usd"], result["pnl_net_usd"]) == (
        "4.00",
        "0.30",
        "3.70",
    )


def test_a_result_that_nobody_verified_is_not_zero(db: Database) -> None:
    close_position(db, 1, pnl=None)

    (result,) = told(db).results

    assert result["pnl_usd"] is None


def test_recommendations_and_bars_are_counted_on_their_new_york_day(db: Database) -> None:
    in_force(db)
    with db.transaction() as tx:
        for number, ts in enumerate([NOON, EVENING + timedelta(hours=4), NOON + timedelta(days=1)]):
            tx.execute(
                """
                INSERT INTO dispatch_recommendations (id, ts, created_at, account_name, ticker,
                    action, instrument_type, strategy_type, confidence, reason, status,
                    features_snapshot, parameter_version)
                VALUES (:id, :ts, :ts, 'tiny', 'SPY', 'BUY', 'STOCK', 'day_trade', 0.5, '{}',
                    'PENDING', '{}', 1)
                """,
                id=number,
                ts=ts,
            )
            tx.execute(
                "INSERT INTO lane_telemetry VALUES ('SPY', :ts, 1, 1, 1, 1, 5, 'iex', :seen)",
                ts=ts.replace(minute=0),
                seen=ts + timedelta(minutes=1),
            )

    outcome = told(db)

    assert outcome.recommendations == [{"account": "tiny", "status": "PENDING", "count": 2}]
    assert (outcome.market["bars"], outcome.market["tickers"]) == (2, 1)


def test_the_report_is_json(db: Database) -> None:
    close_position(db, 1, pnl="1.5")

    assert json.loads(json.dumps(asdict(told(db))))["results"][0]["pnl_usd"] == "1.5"
