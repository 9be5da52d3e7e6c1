"""What the broker says becomes rows: twice the same, and never backwards."""

from dataclasses import replace
from decimal import Decimal

import pytest

from ops_pipeline.db.driver.connection import Database, Row
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder
from ops_pipeline.errors import StageFailed
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport
from tests.support.builders_trading import TradingBench

TABLES = (
    "orders",
    "fills",
    "dispatch_executions",
    "active_positions",
    "position_events",
    "position_history",
    "dispatch_recommendations",
)


@pytest.fixture
def entry(bench: TradingBench) -> str:
    """An entry of 19 that rests at the broker."""
    bench.recommend()
    bench.dispatch()
    return str(bench.order()["client_order_id"])


def settle(bench: TradingBench, name: str, found: BrokerOrder, *fills: BrokerFill) -> None:
    gateway = bench.gateway()
    with bench.db.transaction() as tx:
        gateway.settle_in(tx, name, ExecutionReport(found=found, fills=fills))


def books(bench: TradingBench) -> dict[str, list[Row]]:
    return {table: bench.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


def test_the_same_answer_settled_twice_leaves_the_same_rows(
    bench: TradingBench, entry: str
) -> None:
    fill = bench.broker.fill(entry, "100.00")
    found = bench.broker.orders[entry]

    settle(bench, entry, found, fill)
    once = books(bench)
    settle(bench, entry, found, fill)

    assert books(bench) == once
    assert len(once["fills"]) == len(once["active_positions"]) == 1


def test_an_older_answer_takes_nothing_back(bench: TradingBench, entry: str) -> None:
    """The dispatcher's reply may be settled after the position manager saw the fill."""
    resting = bench.broker.orders[entry]
    bench.broker.fill(entry, "100.00", "7")
    partly = bench.broker.orders[entry]
    bench.broker.fill(entry, "100.00")
    settle(bench, entry, bench.broker.orders[entry])
    once = books(bench)

    settle(bench, entry, partly)
    settle(bench, entry, resting)

    assert books(bench) == once
    assert bench.order()["status"] == "filled"


def test_an_older_answer_leaves_a_partial_fill_as_it_is(bench: TradingBench, entry: str) -> None:
    resting = bench.broker.orders[entry]
    bench.broker.fill(entry, "100.00", "7")
    settle(bench, entry, bench.broker.orders[entry])
    settle(bench, entry, resting)
    assert (bench.order()["status"], bench.order()["filled_qty"]) == ("partially_filled", 7)


def test_a_cancelled_order_does_not_come_back_by_an_older_answer(
    bench: TradingBench, entry: str
) -> None:
    resting = bench.broker.orders[entry]
    bench.broker.end(entry, "canceled")
    settle(bench, entry, bench.broker.orders[entry])
    settle(bench, entry, resting)
    order = bench.order()
    assert (order["status"], order["reopened_at"]) == ("canceled", None)


def test_a_fill_that_slipped_in_before_the_cancel_is_booked(
    bench: TradingBench, entry: str
) -> None:
    bench.broker.end(entry, "canceled")
    cancelled = bench.broker.orders[entry]
    settle(bench, entry, cancelled)
    late = replace(cancelled, filled_quantity=Decimal(4), filled_average_price=Decimal("100.00"))

    settle(bench, entry, late)

    assert (bench.order()["status"], bench.order()["filled_qty"]) == ("canceled", 4)
    assert bench.position()["quantity"] == 4


def test_fills_that_come_later_are_recorded_once(bench: TradingBench, entry: str) -> None:
    bench.broker.fills_withheld = True
    bench.broker.fill(entry, "99.90", "9")
    bench.broker.fill(entry, "100.00")
    bench.next_minute()
    bench.guard()
    assert bench.position()["quantity"] == 19
    assert not bench.rows("SELECT 1 FROM fills")

    bench.broker.fills_withheld = False
    for _ in range(2):
        bench.next_minute()
        bench.guard()

    fills = bench.rows("SELECT quantity, price, evidence FROM fills ORDER BY price")
    assert [(fill["quantity"], fill["evidence"]) for fill in fills] == [
        (9, "broker"),
        (10, "broker"),
    ]
    assert sum(fill["quantity"] * fill["price"] for fill in fills) == pytest.approx(
        bench.position()["entry_price"] * 19
    )


def test_a_word_the_broker_never_used_before_changes_nothing_and_alerts(
    bench: TradingBench, entry: str
) -> None:
    before = books(bench)
    bench.broker.say(entry, "under_review")
    settle(bench, entry, bench.broker.orders[entry])
    assert books(bench) == before
    assert bench.alerts() == ["broker_status_unknown"]


def close_by_two_fills(bench: TradingBench) -> Row:
    """Hold 19 AAA and sell them by an operator's exit in two parts; the history."""
    bench.buy()
    bench.next_minute()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    bench.guard()
    name = str(bench.order("exit")["client_order_id"])
    bench.broker.fill(name, "100.40", "9")
    bench.broker.fill(name, "100.50")
    bench.next_minute()
    bench.guard()
    (history,) = bench.rows("SELECT * FROM position_history")
    return history


def test_the_historys_profit_equals_its_fills(bench: TradingBench) -> None:
    history = close_by_two_fills(bench)
    (flows,) = bench.rows(
        "SELECT sum(CASE side WHEN 'sell' THEN quantity * price ELSE -quantity * price END)"
        " AS profit FROM fills"
    )
    assert history["pnl_dollars"] == flows["profit"] == Decimal("8.60")
    assert (history["verified"], history["win_loss_label"]) == (True, "win")
    assert history["exit_reason"] == "operator"
    assert history["r_multiple"] == pytest.approx(8.6 / 19 / 2)


def test_close_history_and_event_are_one_transaction(
    bench: TradingBench, owner_db: Database
) -> None:
    """With the history refused, the position stays open as well."""
    bench.buy()
    bench.next_minute()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    bench.guard()
    with owner_db.transaction() as tx:
        tx.script("ALTER TABLE position_history ADD CONSTRAINT no_room CHECK (quantity < 0)")
    bench.broker.fill(str(bench.order("exit")["client_order_id"]), "100.40")
    bench.next_minute()
    with pytest.raises(StageFailed, match="no_room"):
        bench.guard()
    assert bench.position()["status"] == "closing"
    assert bench.order("exit")["status"] == "accepted"
    assert "closed" not in [row["kind"] for row in bench.rows("SELECT kind FROM position_events")]

    with owner_db.transaction() as tx:
        tx.script("ALTER TABLE position_history DROP CONSTRAINT no_room")
    bench.next_minute()
    bench.guard()
    assert bench.position()["status"] == "closed"
    assert len(bench.rows("SELECT 1 FROM position_history")) == 1


def test_a_sale_beyond_a_closed_position_alerts_and_rewrites_nothing(bench: TradingBench) -> None:
    history = close_by_two_fills(bench)
    name = str(bench.order("exit")["client_order_id"])
    bench.run(
        "INSERT INTO orders (client_order_id, account_name, purpose, position_id, attempt, ticker,"
        " symbol, instrument_type, multiplier, side, quantity, order_type, price, time_in_force,"
        " reserved_notional, status, reason, broker_order_id, decided_at, tick)"
        " SELECT 'late stop', account_name, 'stop', position_id, 9, ticker, symbol,"
        " instrument_type, multiplier, side, quantity, 'stop', price, time_in_force, 0, 'accepted',"
        " 'stop_loss', 'late', decided_at, tick FROM orders WHERE client_order_id = :name",
        name=name,
    )
    sold = replace(bench.broker.orders[name], client_order_id="late stop", broker_order_id="late")
    settle(bench, "late stop", sold)
    assert bench.alerts() == ["oversold"]
    assert bench.rows("SELECT * FROM position_history") == [history]
    assert [row["kind"] for row in bench.rows("SELECT kind FROM position_events ORDER BY seq")][
        -1
    ] == "oversold"


def test_the_daily_loss_counts_what_an_open_position_has_lost_by_sales(bench: TradingBench) -> None:
    bench.buy()
    bench.next_minute()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    bench.guard()
    bench.broker.fill(str(bench.order("exit")["client_order_id"]), "90.00", "9")
    bench.next_minute(AAA=("100.00", "100.00"))
    bench.guard()
    bench.quote("BBB")
    number = bench.recommend("BBB")
    bench.dispatch()
    # 9 shares at $10 less, and a cent of FINRA's fee on the sale.
    assert bench.verdict(number, "daily_loss")["observed"] == pytest.approx(90.01)
