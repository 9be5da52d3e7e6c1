"""A database restored to before the broker's last orders, and days without any since then."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.operations import comparisons
from ops_pipeline.domain.broker import OrderRequest, OrderType, Side
from ops_pipeline.errors import BrokerUnavailable
from ops_pipeline.stages import healthcheck
from ops_pipeline.stages.request import TickRequest
from tests.stages.losing import entered, entries_sent, held, resting_stops, wish
from tests.support.builders_trading import TradingBench

OWN = "test-large-OLD-20260127T1500-{}-1"


def at_broker_days_ago(
    bench: TradingBench,
    name: str,
    side: Side,
    *,
    days: int,
    order_type: OrderType = "limit",
    fills_at: str | None = None,
    price: str = "50.00",
) -> None:
    """An order for 30 OLD that the database knows nothing of."""
    now = bench.clock.at
    bench.clock.at = now - timedelta(days=days)
    bench.broker.submit(OrderRequest(name, "OLD", side, Decimal(30), order_type, Decimal(price)))
    if fills_at:
        bench.broker.fill(name, fills_at)
    bench.clock.at = now


def canceled_days_ago(bench: TradingBench, owner_db: Database, days: int) -> None:
    """An entry that both sides know, canceled so long ago."""
    bench.recommend()
    bench.dispatch()
    name = str(bench.order()["client_order_id"])
    guard(bench)
    assert bench.order()["status"] == "canceled"
    with owner_db.transaction() as tx:
        tx.script(
            "ALTER TABLE orders DISABLE TRIGGER USER;"
            f"UPDATE orders SET decided_at = decided_at - interval '{days} days',"
            f" acknowledged_at = acknowledged_at - interval '{days} days',"
            f" terminal_at = terminal_at - interval '{days} days';"
            "ALTER TABLE orders ENABLE TRIGGER USER"
        )
    there = bench.broker.orders[name]
    earlier = there.submitted_at - timedelta(days=days)
    bench.broker.orders[name] = replace(there, submitted_at=earlier, updated_at=earlier)


def guard(bench: TradingBench) -> None:
    bench.next_minute()
    bench.guard()


def agreed(bench: TradingBench) -> bool:
    (row,) = bench.rows("SELECT ledger_agreed_at FROM accounts WHERE account_name = 'large'")
    return row["ledger_agreed_at"] is not None


def trade_eight_days_ago(bench: TradingBench) -> None:
    at_broker_days_ago(bench, OWN.format("entry"), "buy", days=8, fills_at="50.00")
    at_broker_days_ago(bench, OWN.format("exit"), "sell", days=8, fills_at="51.00")


@pytest.fixture
def traded(bench: TradingBench) -> TradingBench:
    """Bought and sold eight days ago; the database is of before, nothing happened since."""
    trade_eight_days_ago(bench)
    return bench


@pytest.fixture
def holding(bench: TradingBench) -> TradingBench:
    """Bought eight days ago and still held under a stop."""
    at_broker_days_ago(bench, OWN.format("entry"), "buy", days=8, fills_at="50.00")
    at_broker_days_ago(bench, OWN.format("stop"), "sell", days=8, order_type="stop", price="48.5")
    bench.quote("OLD", "50.00", "50.02")
    return bench


@pytest.mark.parametrize("first", ["dispatch", "guard", "reconcile"])
@pytest.mark.parametrize("knows", ["nothing", "an order of twelve days ago"])
def test_whoever_comes_first_sees_what_the_ledger_has_never_seen(
    bench: TradingBench, owner_db: Database, first: str, knows: str
) -> None:
    if knows != "nothing":
        canceled_days_ago(bench, owner_db, 12)
    trade_eight_days_ago(bench)
    sent = entries_sent(bench)
    if first == "guard":
        guard(bench)
    elif first == "reconcile":
        bench.next_minute()
        bench.reconcile()
    assert "of ours, the database does not" in entered(bench, "EEE")
    assert entries_sent(bench) == sent
    assert "ledger_in_doubt" in bench.alerts()


def test_what_was_lost_comes_back_and_an_operator_lets_entries_in(traded: TradingBench) -> None:
    traded.reconcile()
    assert not agreed(traded)
    guard(traded)
    history = traded.rows("SELECT ticker, verified, pnl_dollars FROM position_history")
    assert history == [{"ticker": "OLD", "verified": True, "pnl_dollars": Decimal(30)}]
    assert entered(traded, "EEE").startswith("SKIPPED")
    assert wish(traded, "resume")["still_halted"] == {}
    traded.broker.at_once["FFF"] = ("100.00", None)
    assert entered(traded, "FFF") == "EXECUTED"


def test_a_stop_that_rests_for_longer_than_the_lists_reach_protects_its_position(
    holding: TradingBench,
) -> None:
    """And no second one is offered beside it."""
    sent = len(holding.broker.submitted)
    holding.reconcile()
    for _ in range(3):
        guard(holding)
    assert held(holding) == {"OLD": 30}
    assert resting_stops(holding) == [("OLD", 30)]
    assert len(holding.broker.submitted) == sent


def test_the_comparison_says_so_and_the_healthcheck_with_it(traded: TradingBench) -> None:
    done = traded.reconcile()
    assert any("we have no row" in breach for breach in done.breaches)
    with traded.db.transaction() as tx:
        newest = comparisons.newest(tx, until=traded.tick)
    assert newest["large"].listed
    healthcheck.run(
        TickRequest(tick=traded.tick), db=traded.db, clock=traded.clock, calendar=traded.calendar
    )
    assert {"ledger_in_doubt", "invariant_broken"} <= set(traded.alerts())


def test_the_doctor_s_dry_run_says_so_and_changes_nothing(traded: TradingBench) -> None:
    done = traded.reconcile("large", dry_run=True)
    assert sum("we have no row" in breach for breach in done.breaches) == 2
    assert traded.alerts() == []
    assert traded.rows("SELECT 1 FROM orders") == []


def test_ledger_and_broker_do_not_agree_before_all_that_was_lost_was_read(
    traded: TradingBench,
) -> None:
    """The reconciler reads four days; what it sees there agrees, and proves nothing."""
    traded.reconcile()
    for _ in range(3):
        traded.next_minute()
        traded.reconcile()
    assert not agreed(traded)
    assert "large" in str(wish(traded, "resume")["still_halted"])


def test_entries_wait_while_it_is_not_known_what_was_lost(traded: TradingBench) -> None:
    traded.broker.fail("orders_since", BrokerUnavailable("503"), times=99)
    assert not entered(traded, "EEE").startswith("EXECUTED")
    assert entries_sent(traded) == [OWN.format("entry")]


def test_a_new_account_with_another_s_old_orders_is_not_halted(bench: TradingBench) -> None:
    """A person's, another deployment's: neither is adopted from so long ago."""
    at_broker_days_ago(bench, "by hand", "buy", days=20, fills_at="50.00")
    at_broker_days_ago(bench, "by hand 2", "sell", days=20, fills_at="50.00")
    at_broker_days_ago(bench, OWN.format("entry").replace("test", "demo"), "buy", days=9)
    bench.broker.end(OWN.format("entry").replace("test", "demo"), "canceled")
    bench.reconcile()
    guard(bench)
    bench.broker.at_once["EEE"] = ("100.00", None)
    assert entered(bench, "EEE") == "EXECUTED"
    assert "ledger_in_doubt" not in bench.alerts()


def test_an_account_that_traded_today_is_not_looked_back_for(bench: TradingBench) -> None:
    """One list a tick is enough where the ledger is of today."""
    bench.buy()
    guard(bench)
    before = bench.broker.calls.count("orders_since")
    guard(bench)
    assert bench.broker.calls.count("orders_since") == before + 1
