"""The control function rebuilds from the paper exchange, over Alpaca's own wire."""

from datetime import timedelta
from pathlib import Path

from functions.control.handler import lambda_handler as control
from functions.position_manager.handler import lambda_handler as guard
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.runtime.wiring import Runtime
from tests.contract.paper_street import ask, place
from tests.support.builders_market import in_force, rows
from tests.support.fakes import FixedClock
from tests.support.stand_ins import NOW, exchange_at_tick, in_process, leading_to

LATER = NOW + timedelta(minutes=1)
EVENT = {"action": "rebuild", "operator": "ann", "reason": "the disk died"}


def test_an_empty_database_adopts_a_resting_stop_and_the_guard_arms_the_other(
    tmp_path: Path, db: Database, database_urls: DatabaseUrls
) -> None:
    in_force(db)
    with exchange_at_tick(tmp_path) as exchange:
        for ticker in ("AAA", "BBB"):
            name = f"main-large-{ticker}-20131007T1430-entry-1"
            place(exchange, symbol=ticker, client_order_id=name)
        stop = place(
            exchange,
            side="sell",
            type="stop",
            limit_price=None,
            stop_price="9.51",
            time_in_force="gtc",
            client_order_id="main-large-AAA-20131007T1430-stop-1",
        )
        exchange.set_clock(LATER)
        with in_process(Runtime(leading_to(exchange, database_urls), FixedClock(LATER))):
            shown = control(EVENT, None)["accounts"]
            assert [row["state"] for row in shown] == ["can be rebuilt", "can be rebuilt"]
            assert rows(db, "SELECT 1 FROM orders") == []
            done = control({**EVENT, "confirm": True}, None)["accounts"]
            assert [row["state"] for row in done] == ["rebuilt", "rebuilt"]
            assert (done[0]["positions"], done[0]["agreed"]) == (2, True)
            guard({"account": "large"}, None)
        _, resting = ask(exchange, "GET", "/v2/orders?status=open")
    assert {it["symbol"]: it["type"] for it in resting} == {"AAA": "stop", "BBB": "stop"}
    assert stop in {it["id"] for it in resting}
    (kept,) = rows(db, "SELECT price FROM orders WHERE purpose = 'stop' AND symbol = 'AAA'")
    assert str(kept["price"]) == "9.51"
