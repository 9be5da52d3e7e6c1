"""Incident 9: a close order named the underlying instead of the contract and opened a short.

A close carries the held symbol, close-only intent, and a quantity within what the broker
reports.
"""

from decimal import Decimal

import pytest
from pg8000.exceptions import DatabaseError

from ops_pipeline.adapters.alpaca_records import order_fields
from ops_pipeline.domain.broker import OrderRequest
from tests.support.builders_trading import TradingBench


@pytest.fixture
def bench(bench: TradingBench) -> TradingBench:
    bench.buy()
    return bench


def exit_now(bench: TradingBench) -> None:
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    for _ in range(2):
        bench.next_minute()
        bench.guard()


def test_a_close_names_what_is_held_and_no_more_than_that(bench: TradingBench) -> None:
    exit_now(bench)
    (sale,) = {(row["symbol"], row["side"], row["quantity"]) for row in bench.orders("exit")}
    assert sale == ("AAA", "sell", 19)


def test_a_close_sells_no_more_than_the_broker_reports(bench: TradingBench) -> None:
    bench.broker.hold("AAA", "7", "100.00")
    exit_now(bench)
    assert {row["quantity"] for row in bench.orders("exit")} == {7}


def test_a_short_at_the_broker_is_never_sold_any_further(bench: TradingBench) -> None:
    bench.broker.hold("AAA", "-19", "100.00")
    exit_now(bench)
    assert not bench.orders("exit")


def test_every_sale_is_sent_with_close_only_intent() -> None:
    sale = OrderRequest("id", "AAA", "sell", Decimal(1), "limit", Decimal(10))
    assert order_fields(sale)["position_intent"] == "sell_to_close"


def test_an_order_for_another_symbol_than_its_position_s_cannot_be_stored(
    bench: TradingBench,
) -> None:
    exit_now(bench)
    with pytest.raises(DatabaseError, match="which its position does not hold"):
        bench.run("UPDATE orders SET symbol = 'BBB' WHERE purpose = 'exit'")
