"""What the broker says becomes rows: twice the same, and never backwards."""

from dataclasses import replace
from decimal import Decimal

import pytest

from ops_pipeline.db.connection import Database, Row
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder
from ops_pipeline.errors import StageFailed
from ops_pipeline.stages.settlement import Evidence
from tests.builders_trading import Desk

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
def desk(db: Database) -> Desk:
    return Desk(db)


@pytest.fixture
def entry(desk: Desk) -> str:
    """An entry of 19 that rests at the broker."""
    desk.recommend()
    desk.dispatch()
    return str(desk.order()["client_order_id"])


def settle(desk: Desk, name: str, found: BrokerOrder, *fills: BrokerFill) -> None:
    way = desk.road()
    with desk.db.transaction() as tx:
        way.settle(tx, name, Evidence(found=found, fills=fills))


def books(desk: Desk) -> dict[str, list[Row]]:
    return {table: desk.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


def test_the_same_answer_settled_twice_leaves_the_same_rows(desk: Desk, entry: str) -> None:
    fill = desk.broker.fill(entry, "100.00")
    found = desk.broker.orders[entry]

    settle(desk, entry, found, fill)
    once = books(desk)
    settle(desk, entry, found, fill)

    assert books(desk) == once
    assert len(once["fills"]) == len(once["active_positions"]) == 1


def test_an_older_answer_takes_nothing_back(desk: Desk, entry: str) -> None:
    """The dispatcher's reply may be settled after the position manager saw the fill."""
    resting = desk.broker.orders[entry]
    desk.broker.fill(entry, "100.00", "7")
    partly = desk.broker.orders[entry]
    desk.broker.fill(entry, "100.00")
    settle(desk, entry, desk.broker.orders[entry])
    once = books(desk)

    settle(desk, entry, partly)
    settle(desk, entry, resting)

    assert books(desk) == once
    assert desk.order()["status"] == "filled"


def test_an_older_answer_leaves_a_partial_fill_as_it_is(desk: Desk, entry: str) -> None:
    resting = desk.broker.orders[entry]
    desk.broker.fill(entry, "100.00", "7")
    settle(desk, entry, desk.broker.orders[entry])
    settle(desk, entry, resting)
    assert (desk.order()["status"], desk.order()["filled_qty"]) == ("partially_filled", 7)


def test_a_cancelled_order_does_not_come_back_by_an_older_answer(desk: Desk, entry: str) -> None:
    resting = desk.broker.orders[entry]
    desk.broker.end(entry, "canceled")
    settle(desk, entry, desk.broker.orders[entry])
    settle(desk, entry, resting)
    order = desk.order()
    assert (order["status"], order["reopened_at"]) == ("canceled", None)


def test_a_fill_that_slipped_in_before_the_cancel_is_booked(desk: Desk, entry: str) -> None:
    desk.broker.end(entry, "canceled")
    cancelled = desk.broker.orders[entry]
    settle(desk, entry, cancelled)
    late = replace(cancelled, filled_quantity=Decimal(4), filled_average_price=Decimal("100.00"))

    settle(desk, entry, late)

    assert (desk.order()["status"], desk.order()["filled_qty"]) == ("canceled", 4)
    assert desk.position()["quantity"] == 4


def test_fills_that_come_later_are_recorded_once(desk: Desk, entry: str) -> None:
    desk.broker.fills_withheld = True
    desk.broker.fill(entry, "99.90", "9")
    desk.broker.fill(entry, "100.00")
    desk.next_minute()
    desk.guard()
    assert desk.position()["quantity"] == 19
    assert not desk.rows("SELECT 1 FROM fills")

    desk.broker.fills_withheld = False
    for _ in range(2):
        desk.next_minute()
        desk.guard()

    fills = desk.rows("SELECT quantity, price, evidence FROM fills ORDER BY price")
    assert [(fill["quantity"], fill["evidence"]) for fill in fills] == [
        (9, "broker"),
        (10, "broker"),
    ]
    assert sum(fill["quantity"] * fill["price"] for fill in fills) == pytest.approx(
        desk.position()["entry_price"] * 19
    )


def test_a_word_the_broker_never_used_before_changes_nothing_and_alerts(
    desk: Desk, entry: str
) -> None:
    before = books(desk)
    settle(desk, entry, replace(desk.broker.orders[entry], status="under_review"))
    assert books(desk) == before
    assert desk.alerts() == ["broker_status_unknown"]


def close_by_two_fills(desk: Desk) -> Row:
    """Hold 19 AAA and sell them by an operator's exit in two parts; the history."""
    desk.buy()
    desk.next_minute()
    desk.run("UPDATE active_positions SET exit_requested = 'operator'")
    desk.guard()
    name = str(desk.order("exit")["client_order_id"])
    desk.broker.fill(name, "100.40", "9")
    desk.broker.fill(name, "100.50")
    desk.next_minute()
    desk.guard()
    (history,) = desk.rows("SELECT * FROM position_history")
    return history


def test_the_historys_profit_equals_its_fills(desk: Desk) -> None:
    history = close_by_two_fills(desk)
    (flows,) = desk.rows(
        "SELECT sum(CASE side WHEN 'sell' THEN quantity * price ELSE -quantity * price END)"
        " AS profit FROM fills"
    )
    assert history["pnl_dollars"] == flows["profit"] == Decimal("8.60")
    assert (history["verified"], history["win_loss_label"]) == (True, "win")
    assert history["exit_reason"] == "operator"
    assert history["r_multiple"] == pytest.approx(8.6 / 19 / 2)


def test_close_history_and_event_are_one_transaction(desk: Desk, owner_db: Database) -> None:
    """With the history refused, the position stays open as well."""
    desk.buy()
    desk.next_minute()
    desk.run("UPDATE active_positions SET exit_requested = 'operator'")
    desk.guard()
    with owner_db.transaction() as tx:
        tx.script("ALTER TABLE position_history ADD CONSTRAINT no_room CHECK (quantity < 0)")
    desk.broker.fill(str(desk.order("exit")["client_order_id"]), "100.40")
    desk.next_minute()
    with pytest.raises(StageFailed, match="no_room"):
        desk.guard()
    assert desk.position()["status"] == "closing"
    assert desk.order("exit")["status"] == "accepted"
    assert "closed" not in [row["kind"] for row in desk.rows("SELECT kind FROM position_events")]

    with owner_db.transaction() as tx:
        tx.script("ALTER TABLE position_history DROP CONSTRAINT no_room")
    desk.next_minute()
    desk.guard()
    assert desk.position()["status"] == "closed"
    assert len(desk.rows("SELECT 1 FROM position_history")) == 1


def test_a_sale_beyond_a_closed_position_alerts_and_rewrites_nothing(desk: Desk) -> None:
    history = close_by_two_fills(desk)
    name = str(desk.order("exit")["client_order_id"])
    desk.run(
        "INSERT INTO orders (client_order_id, account_name, purpose, position_id, attempt, ticker,"
        " symbol, instrument_type, multiplier, side, quantity, order_type, price, time_in_force,"
        " reserved_notional, status, reason, broker_order_id, decided_at, tick)"
        " SELECT 'late stop', account_name, 'stop', position_id, 9, ticker, symbol,"
        " instrument_type, multiplier, side, quantity, 'stop', price, time_in_force, 0, 'accepted',"
        " 'stop_loss', 'late', decided_at, tick FROM orders WHERE client_order_id = :name",
        name=name,
    )
    sold = replace(desk.broker.orders[name], client_order_id="late stop", broker_order_id="late")
    settle(desk, "late stop", sold)
    assert desk.alerts() == ["oversold"]
    assert desk.rows("SELECT * FROM position_history") == [history]
    assert [row["kind"] for row in desk.rows("SELECT kind FROM position_events ORDER BY seq")][
        -1
    ] == "oversold"


def test_the_daily_loss_counts_what_an_open_position_has_lost_by_sales(desk: Desk) -> None:
    desk.buy()
    desk.next_minute()
    desk.run("UPDATE active_positions SET exit_requested = 'operator'")
    desk.guard()
    desk.broker.fill(str(desk.order("exit")["client_order_id"]), "90.00", "9")
    desk.next_minute(AAA=("100.00", "100.00"))
    desk.guard()
    desk.quote("BBB")
    number = desk.recommend("BBB")
    desk.dispatch()
    assert desk.verdict(number, "daily_loss")["observed"] == pytest.approx(90.0)
