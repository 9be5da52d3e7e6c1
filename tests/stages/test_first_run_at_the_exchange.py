"""The first run of an account with holdings, over Alpaca's own wire, through the functions."""

from datetime import datetime
from pathlib import Path

from functions.position_manager.handler import lambda_handler as guard
from functions.reconciler.handler import lambda_handler as reconcile
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.market import MINUTE
from ops_pipeline.runtime.wiring import Runtime
from tests.contract.paper_street import ask
from tests.support.builders_market import rows
from tests.support.fakes import FixedClock
from tests.support.stand_ins import NOW, exchange_at_tick, in_process, leading_to, prepared


def minutes(exchange: RunningExchange, clock: FixedClock, count: int) -> None:
    """Minutes of guard and reconciler of one account."""
    for _ in range(count):
        clock.at = later = clock.at + MINUTE
        exchange.set_clock(later)
        event = {"tick": stamp(later), "account": "large"}
        guard(event, None)
        reconcile(event, None)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:00Z")


def test_what_was_there_is_left_alone_and_followed_when_its_owner_sells(
    tmp_path: Path, db: Database, database_urls: DatabaseUrls
) -> None:
    prepared(db, "AAA", "BBB")
    with exchange_at_tick(tmp_path) as exchange:
        exchange.add_holding("large", "AAA", "100", "80")
        exchange.add_holding("large", "BTCUSD", "0.0125", "61000", asset_class="crypto")
        clock = FixedClock(NOW)
        with in_process(Runtime(leading_to(exchange, database_urls), clock)):
            minutes(exchange, clock, 3)
            assert ask(exchange, "GET", "/v2/orders?status=all") == (200, [])
            held = (
                "SELECT symbol, asset_class, quantity, average_cost, price FROM external_holdings"
            )
            found = {row["symbol"]: row for row in rows(db, held)}
            assert {name: str(row["quantity"]) for name, row in found.items()} == {
                "AAA": "100",
                "BTCUSD": "0.0125",
            }
            assert found["BTCUSD"]["asset_class"] == "crypto"
            assert (found["AAA"]["average_cost"], found["AAA"]["price"] < 11) == (80, True)

            sale = {"symbol": "AAA", "side": "sell", "qty": "40", "type": "market"}
            exchange.place_order("large", **sale, time_in_force="day")
            minutes(exchange, clock, 4)
        _, positions = ask(exchange, "GET", "/v2/positions")
    assert {it["symbol"]: it["qty"] for it in positions} == {"AAA": "60", "BTCUSD": "0.0125"}
    (event,) = rows(db, "SELECT * FROM external_holding_events WHERE kind = 'reduced'")
    assert (event["quantity_before"], event["quantity"]) == (100, 60)
    assert event["day_change"] is not None
    assert rows(db, "SELECT 1 FROM active_positions") == []
    assert rows(db, "SELECT kind, subject FROM alerts WHERE resolved_at IS NULL") == []
    (account,) = rows(
        db, "SELECT books_halt, kill_switch FROM accounts WHERE account_name = 'large'"
    )
    assert (account["books_halt"], account["kill_switch"]) == (None, None)
