"""Incident 10: positions stuck in "closing"; two exit rules fought; sold and bought back.

One exit authority: every exit order is followed to its fill, or replaced at a new price.
"""

import pytest

from ops_pipeline.errors import ConstraintViolated
from tests.support.builders_trading import TradingBench


@pytest.fixture
def bench(bench: TradingBench) -> TradingBench:
    bench.buy()
    bench.guard()
    return bench


def live_exits(bench: TradingBench) -> int:
    live = ("intended", "unknown", "accepted", "partially_filled")
    return sum(row["status"] in live for row in bench.orders("exit"))


def test_an_exit_that_does_not_fill_is_replaced_at_a_new_price_until_it_does(
    bench: TradingBench,
) -> None:
    prices = [("97.00", "97.02"), ("96.00", "96.02"), ("95.00", "95.02"), ("94.00", "94.02")]
    for bid, ask in prices:
        bench.next_minute(AAA=(bid, ask))
        bench.guard()
        assert live_exits(bench) <= 1
    exits = bench.orders("exit")
    assert len(exits) >= 3
    assert [row["price"] for row in exits] == sorted({row["price"] for row in exits}, reverse=True)
    for _ in range(2):
        for order in list(bench.broker.orders.values()):
            if order.side == "sell" and order.order_type == "limit" and order.raw_status == "new":
                bench.broker.fill(order.client_order_id, "94.00")
        bench.next_minute()
        bench.guard()
    assert bench.position()["status"] == "closed"


def test_an_exit_once_decided_is_followed_through_when_the_price_comes_back(
    bench: TradingBench,
) -> None:
    bench.next_minute(AAA=("97.00", "97.02"))
    bench.guard()
    bench.next_minute(AAA=("97.00", "97.02"))
    bench.guard()
    assert bench.position()["status"] == "closing"
    for _ in range(3):
        bench.next_minute(AAA=("100.50", "100.52"))
        bench.guard()
    assert {row["reason"] for row in bench.orders("exit")} == {"stop_loss"}
    assert bench.position()["close_reason"] == "stop_loss"


def test_what_is_being_closed_is_not_bought_again(bench: TradingBench) -> None:
    for _ in range(2):
        bench.next_minute(AAA=("97.00", "97.02"))
        bench.guard()
    number = bench.recommend()
    bench.dispatch()
    assert bench.recommendation(number)["status"] == "SKIPPED"
    assert not bench.verdict(number, "duplicate_position")["passed"]


def test_two_live_exits_of_one_position_cannot_be_stored(bench: TradingBench) -> None:
    for _ in range(2):
        bench.next_minute(AAA=("97.00", "97.02"))
        bench.guard()
    exit_ = bench.orders("exit")[-1]
    assert live_exits(bench) == 1
    with pytest.raises(ConstraintViolated, match="orders_one_live_exit"):
        bench.run(
            "INSERT INTO orders (client_order_id, account_name, purpose, position_id, attempt,"
            " ticker, symbol, instrument_type, multiplier, side, quantity, order_type, price,"
            " time_in_force, reserved_notional, status, reason, decided_at, tick)"
            " SELECT 'second', account_name, purpose, position_id, attempt + 9, ticker, symbol,"
            " instrument_type, multiplier, side, quantity, order_type, price, time_in_force,"
            " 0, 'intended', reason, decided_at, tick FROM orders WHERE client_order_id = :id",
            id=exit_["client_order_id"],
        )
