"""Each invariant is whole after an ordinary trade, and names the row that somebody broke."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.operations.invariants import MEANINGS, Breach, BrokerRecords
from ops_pipeline.errors import BrokerOutcomeUnknown
from tests.support.builders_trading import TradingBench

LATER = timedelta(minutes=20)


def breaches(
    bench: TradingBench, *, with_broker: bool = True, later: timedelta = LATER
) -> list[Breach]:
    books = {
        name: BrokerRecords(
            orders=list(broker.orders.values()), positions=broker.positions(), fills=broker.fills
        )
        for name, broker in bench.brokers.items()
    }
    with bench.db.transaction() as tx:
        now = bench.clock.now() + later
        return invariants.check(
            tx,
            now=now,
            broker=books if with_broker else {},
            session=bench.calendar.session(new_york_day(now)),
        )


def a_trade(bench: TradingBench) -> None:
    """Bought at 100, guarded for a minute so that its fills are in, sold by the stop's rule."""
    bench.buy()
    bench.guard()
    sell(bench)


def sell(bench: TradingBench) -> None:
    for _ in range(3):
        bench.next_minute(AAA=("90.00", "90.02"))
        bench.guard()
        for order in list(bench.broker.orders.values()):
            if order.side == "sell" and order.order_type == "limit" and order.raw_status == "new":
                bench.broker.fill(order.client_order_id, "90.00")
    bench.guard()


def test_they_hold_before_anything_happened(bench: TradingBench) -> None:
    assert breaches(bench) == []


def test_they_hold_while_a_position_is_held_and_after_it_was_sold(bench: TradingBench) -> None:
    bench.buy()
    bench.guard()
    assert breaches(bench) == []
    sell(bench)
    assert bench.position()["status"] == "closed"
    assert breaches(bench) == []


def test_an_order_nobody_knows_the_end_of_needs_an_alert_that_names_it(bench: TradingBench) -> None:
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"))
    bench.recommend()
    bench.dispatch()
    (order,) = bench.orders()
    subject = order["client_order_id"]
    assert breaches(bench, later=timedelta(minutes=2)) == []
    (found,) = breaches(bench)
    assert (found.invariant, found.account, found.subject) == (
        "order_outcome_known",
        "large",
        subject,
    )
    bench.run(
        "INSERT INTO alerts (id, kind, scope, subject, severity, message, details, opened_at)"
        " VALUES ('00000000-0000-0000-0000-000000000001', 'order_outcome_unknown', 'large',"
        " :subject, 'critical', '', '{}', :now)",
        subject=subject,
        now=bench.clock.now(),
    )
    assert breaches(bench) == []


@pytest.fixture(autouse=True)
def _rewritable(owner_db: Database) -> None:
    """Without the triggers that keep records as they are: the invariants stand behind them."""
    with owner_db.transaction() as tx:
        tx.script(
            "ALTER TABLE fills DISABLE TRIGGER fills_stand;"
            "ALTER TABLE position_history DISABLE TRIGGER position_history_stands;"
            "ALTER TABLE position_history DISABLE TRIGGER position_history_correction_told"
        )


def _raw(sql: str) -> Callable[[TradingBench], None]:
    return lambda bench: bench.run(sql)


def _by_hand(bench: TradingBench) -> None:
    bench.broker.submit(OrderRequest("by hand", "YYY", "buy", Decimal(1), "limit", Decimal(10)))


BROKEN: list[tuple[str, Callable[[TradingBench], None]]] = [
    (
        "position_equals_its_orders",
        _raw("UPDATE active_positions SET quantity = 1 WHERE status = 'open'"),
    ),
    (
        "position_equals_its_orders",
        _raw("UPDATE active_positions SET opened_quantity = 40, quantity = 40"),
    ),
    ("order_equals_its_fills", _raw("UPDATE fills SET quantity = 1")),
    ("order_equals_its_fills", _raw("UPDATE fills SET quantity = 100")),
    ("entries_within_caps", _raw("UPDATE accounts SET max_exposure = 1")),
    ("entries_within_caps", _raw("UPDATE accounts SET max_positions = 0")),
    (
        "fees_equal_charges",
        _raw(
            "UPDATE order_costs SET settled_usd = 0.01, settled_at = estimated_at WHERE fee = 'CAT'"
        ),
    ),
    ("fill_has_evidence", _raw("UPDATE fills SET evidence = 'simulated'")),
    ("fill_has_evidence", _raw("UPDATE dispatch_executions SET qty = qty + 1")),
    ("rows_of_one_account", _raw("UPDATE fills SET symbol = 'BBB'")),
    ("rows_of_one_account", _raw("UPDATE fills SET side = 'sell'")),
    (
        "recommendation_final",
        _raw(
            "UPDATE dispatch_recommendations SET status = 'PENDING', processed_at = NULL,"
            " claimed_until = NULL"
        ),
    ),
    (
        "closed_position_has_one_history",
        _raw(
            "UPDATE active_positions SET status = 'closed', quantity = 0, closed_at = entry_time,"
            " close_reason = 'operator'"
        ),
    ),
    ("broker_order_has_one_row", _by_hand),
    ("position_equals_the_broker", lambda bench: bench.broker.hold("AAA", "3", "100.00")),
    (
        "broker_order_has_one_row",
        lambda bench: bench.broker.orders.clear(),
    ),
    ("fill_has_evidence", lambda bench: bench.broker.fills.clear()),
    (
        "stock_is_protected",
        _raw(
            "UPDATE orders SET status = 'canceled', terminal_at = decided_at WHERE purpose = 'stop'"
        ),
    ),
]


@pytest.mark.parametrize(("invariant", "break_it"), BROKEN)
def test_whoever_breaks_one_is_found_out(
    bench: TradingBench, invariant: str, break_it: Callable[[TradingBench], None]
) -> None:
    bench.buy()
    bench.guard()
    break_it(bench)
    assert invariant in {breach.invariant for breach in breaches(bench)}


def test_a_profit_that_its_fills_do_not_come_to_is_found(bench: TradingBench) -> None:
    a_trade(bench)
    bench.run("UPDATE position_history SET pnl_dollars = pnl_dollars + 1")
    (found,) = breaches(bench)
    assert found.invariant == "history_equals_fills"
    assert found.account == "large"


def test_a_history_without_a_close_is_found(bench: TradingBench) -> None:
    a_trade(bench)
    bench.run("UPDATE active_positions SET status = 'open', quantity = 1, closed_at = NULL")
    assert "closed_position_has_one_history" in {found.invariant for found in breaches(bench)}


def test_every_invariant_has_a_meaning_and_a_test() -> None:
    tested = {invariant for invariant, _ in BROKEN}
    assert tested | {"order_outcome_known", "history_equals_fills"} == set(MEANINGS)
