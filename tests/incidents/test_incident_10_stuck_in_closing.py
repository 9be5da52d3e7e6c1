"""Incident 10: positions stuck in "closing"; two exit rules fought; sold and bought back.

One exit authority: every exit order is followed to its fill, or replaced at a new price.
"""

import pytest

from ops_pipeline.db.connection import Database
from ops_pipeline.errors import ConstraintViolated
from tests.builders_trading import Desk


@pytest.fixture
def desk(db: Database) -> Desk:
    desk = Desk(db)
    desk.buy()
    desk.guard()
    return desk


def live_exits(desk: Desk) -> int:
    live = ("intended", "unknown", "accepted", "partially_filled")
    return sum(row["status"] in live for row in desk.orders("exit"))


def test_an_exit_that_does_not_fill_is_replaced_at_a_new_price_until_it_does(desk: Desk) -> None:
    prices = [("97.00", "97.02"), ("96.00", "96.02"), ("95.00", "95.02"), ("94.00", "94.02")]
    for bid, ask in prices:
        desk.next_minute(AAA=(bid, ask))
        desk.guard()
        assert live_exits(desk) <= 1
    exits = desk.orders("exit")
    assert len(exits) >= 3
    assert [row["price"] for row in exits] == sorted({row["price"] for row in exits}, reverse=True)
    for _ in range(2):
        for order in list(desk.broker.orders.values()):
            if order.side == "sell" and order.order_type == "limit" and order.status == "new":
                desk.broker.fill(order.client_order_id, "94.00")
        desk.next_minute()
        desk.guard()
    assert desk.position()["status"] == "closed"


def test_an_exit_once_decided_is_followed_through_when_the_price_comes_back(desk: Desk) -> None:
    desk.next_minute(AAA=("97.00", "97.02"))
    desk.guard()
    desk.next_minute(AAA=("97.00", "97.02"))
    desk.guard()
    assert desk.position()["status"] == "closing"
    for _ in range(3):
        desk.next_minute(AAA=("100.50", "100.52"))
        desk.guard()
    assert {row["reason"] for row in desk.orders("exit")} == {"stop_loss"}
    assert desk.position()["close_reason"] == "stop_loss"


def test_what_is_being_closed_is_not_bought_again(desk: Desk) -> None:
    for _ in range(2):
        desk.next_minute(AAA=("97.00", "97.02"))
        desk.guard()
    number = desk.recommend()
    desk.dispatch()
    assert desk.recommendation(number)["status"] == "SKIPPED"
    assert not desk.verdict(number, "duplicate_position")["passed"]


def test_two_live_exits_of_one_position_cannot_be_stored(desk: Desk) -> None:
    for _ in range(2):
        desk.next_minute(AAA=("97.00", "97.02"))
        desk.guard()
    exit_ = desk.orders("exit")[-1]
    assert live_exits(desk) == 1
    with pytest.raises(ConstraintViolated, match="orders_one_live_exit"):
        desk.run(
            "INSERT INTO orders (client_order_id, account_name, purpose, position_id, attempt,"
            " ticker, symbol, instrument_type, multiplier, side, quantity, order_type, price,"
            " time_in_force, reserved_notional, status, reason, decided_at, tick)"
            " SELECT 'second', account_name, purpose, position_id, attempt + 9, ticker, symbol,"
            " instrument_type, multiplier, side, quantity, order_type, price, time_in_force,"
            " 0, 'intended', reason, decided_at, tick FROM orders WHERE client_order_id = :id",
            id=exit_["client_order_id"],
        )
