"""Fees over a day and the next morning at the paper exchange, over Alpaca's own wire."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from functions.position_manager.handler import lambda_handler as guard
from functions.reconciler.handler import lambda_handler as reconcile
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.market import MINUTE
from ops_pipeline.runtime.wiring import Runtime
from tests.contract.paper_street import MONDAY, at, open_exchange
from tests.support.builders_market import rows
from tests.support.fakes import FixedClock
from tests.support.stand_ins import in_process, leading_to, prepared

TUESDAY = MONDAY + timedelta(days=1)
CENT = Decimal("0.01")


def tick(moment: datetime) -> dict[str, str]:
    return {"tick": moment.strftime("%Y-%m-%dT%H:%M:00Z")}


def compare(clock: FixedClock, exchange: RunningExchange, moment: datetime) -> None:
    """daily_cycle's reconciler, for all accounts."""
    clock.at = moment
    exchange.set_clock(moment)
    assert reconcile(tick(moment), None)["status"] == "run"


def minutes(clock: FixedClock, exchange: RunningExchange, count: int) -> None:
    for _ in range(count):
        clock.at += MINUTE
        exchange.set_clock(clock.at)
        event = {**tick(clock.at), "account": "large"}
        guard(event, None)
        reconcile(event, None)


def trade(db: Database, clock: FixedClock, exchange: RunningExchange) -> None:
    """20 bought by hand on Monday, adopted, and sold on an operator's word.

    Of the $200 of the sale the SEC has $0.0035, of the shares FINRA $0.0024.
    """
    clock.at = at("10:31")
    exchange.set_clock(clock.at)
    exchange.place_order(
        "large", symbol="AAA", side="buy", qty="20", type="market", time_in_force="day"
    )
    minutes(clock, exchange, 3)
    with db.transaction() as tx:
        tx.execute("UPDATE active_positions SET exit_requested = 'operator'")
    minutes(clock, exchange, 4)
    assert rows(db, "SELECT status FROM active_positions") == [{"status": "closed"}]


def settled(db: Database) -> dict[str, Decimal | None]:
    found = rows(db, "SELECT fee, sum(settled_usd) AS usd FROM order_costs GROUP BY fee")
    return {row["fee"]: row["usd"] for row in found}


def told(db: Database) -> list[str]:
    found = rows(
        db,
        "SELECT kind || ': ' || message AS told FROM alerts"
        " WHERE kind IN ('cash_differs', 'fee_unexplained', 'invariant_broken') ORDER BY 1",
    )
    return [row["told"] for row in found]


CHARGED = {"CAT": None, "SEC": CENT, "TAF": CENT}
NOTHING = dict.fromkeys(CHARGED)


@pytest.mark.parametrize(
    ("behaviour", "evening", "morning"),
    [
        ("at_day_end", CHARGED, CHARGED),
        ("next_morning", NOTHING, CHARGED),
        ("uncharged", NOTHING, NOTHING),
    ],
)
def test_a_day_s_fees_are_settled_when_they_are_charged_and_no_cash_is_missed(
    tmp_path: Path,
    db: Database,
    database_urls: DatabaseUrls,
    *,
    behaviour: str,
    evening: dict[str, Decimal | None],
    morning: dict[str, Decimal | None],
) -> None:
    prepared(db, "AAA", "BBB")
    clock = FixedClock(at("08:30"))
    with open_exchange(tmp_path) as exchange:
        exchange.set_behaviour("fees", behaviour)
        with in_process(Runtime(leading_to(exchange, database_urls), clock)):
            compare(clock, exchange, at("08:30"))
            trade(db, clock, exchange)
            compare(clock, exchange, at("16:20"))
            assert settled(db) == evening
            compare(clock, exchange, at("08:30", TUESDAY))
            compare(clock, exchange, at("16:20", TUESDAY))
    assert settled(db) == morning
    assert told(db) == []
    with db.transaction() as tx:
        assert invariants.check(tx, now=clock.at) == []
    compared = rows(
        db, "SELECT unexplained FROM cash_readings WHERE account_name = 'large' ORDER BY at"
    )
    assert [row["unexplained"] for row in compared] == [None, 0, 0, 0]
