"""Turning an exit decision into orders, step by step."""

from collections import Counter
from decimal import Decimal

import pytest

from ops_pipeline.db import positions
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.exits import Decision
from ops_pipeline.domain.prices.plausibility import JudgedQuote
from ops_pipeline.domain.trading_terms import ExitRule
from ops_pipeline.errors import BrokerOutcomeUnknown, ConstraintViolated
from ops_pipeline.execution.exit_orders import ExitOrders
from tests.support.builders_trading import TradingBench


@pytest.fixture
def bench(bench: TradingBench) -> TradingBench:
    bench.buy()
    bench.next_minute()
    return bench


def decision(bench: TradingBench, *, sell: int = 0, rule: ExitRule | None = None) -> Decision:
    with bench.db.transaction() as tx:
        (held,) = positions.held(tx, "large")
    return Decision(held, (), Decimal(sell), rule)


def act(bench: TradingBench, decided: Decision) -> Counter[str]:
    counts: Counter[str] = Counter()
    gateway = bench.gateway()
    exit_orders = ExitOrders(gateway.ctx, bench.db, gateway, counts)
    exit_orders.place(decided, JudgedQuote(bench.market.latest["AAA"], None, None, ()))
    return counts


def test_a_decision_acted_on_twice_sells_once(bench: TradingBench) -> None:
    asked = decision(bench, sell=19, rule="take_profit")
    assert act(bench, asked)["exits_sent"] == 1
    assert act(bench, asked)["exits_sent"] == 0
    assert len(bench.orders("exit")) == 1


def test_a_decision_on_a_position_that_shrank_meanwhile_is_dropped(bench: TradingBench) -> None:
    asked = decision(bench, sell=19, rule="take_profit")
    bench.run("UPDATE active_positions SET quantity = 10")
    assert act(bench, asked)["exits_sent"] == 0
    assert not bench.orders("exit")


def test_another_rule_takes_over_a_partial_exit_under_way(bench: TradingBench) -> None:
    act(bench, decision(bench, sell=7, rule="partial"))
    act(bench, decision(bench, sell=19, rule="stop_loss"))
    assert [(o["reason"], o["status"]) for o in bench.orders("exit")] == [
        ("partial", "canceled"),
        ("stop_loss", "accepted"),
    ]


def test_an_exit_whose_outcome_is_unknown_is_waited_for(bench: TradingBench) -> None:
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=True)
    act(bench, decision(bench, sell=19, rule="stop_loss"))
    bench.next_minute()
    assert act(bench, decision(bench, sell=19, rule="stop_loss"))["exits_sent"] == 0
    assert len(bench.broker.submitted) == 2


def test_a_position_has_one_live_exit_whoever_writes_it(bench: TradingBench) -> None:
    act(bench, decision(bench, sell=19, rule="take_profit"))
    with pytest.raises(ConstraintViolated) as refusal:
        bench.run(
            "INSERT INTO orders (client_order_id, account_name, purpose, position_id, attempt,"
            " ticker, symbol, instrument_type, multiplier, side, quantity, order_type, price,"
            " time_in_force, reserved_notional, status, reason, decided_at, tick)"
            " SELECT 'second', account_name, purpose, position_id, 9, ticker, symbol,"
            " instrument_type, multiplier, side, quantity, order_type, price, time_in_force, 0,"
            " 'intended', reason, decided_at, tick FROM orders WHERE purpose = 'exit'"
        )
    assert refusal.value.constraint == "orders_one_live_exit"


def test_a_fractional_position_keeps_one_stop_for_its_whole_shares(bench: TradingBench) -> None:
    bench.set_account(fractional_shares=True)
    bench.run("UPDATE active_positions SET quantity = 10.5")
    assert act(bench, decision(bench))["stops_placed"] == 1
    assert bench.order("stop")["quantity"] == 10
    assert act(bench, decision(bench)) == Counter()


def test_no_stop_is_placed_while_the_entry_still_fills(db: Database) -> None:
    bench = TradingBench(db)
    bench.broker.at_once["AAA"] = ("100.00", "9")
    bench.recommend()
    bench.dispatch()
    assert act(bench, decision(bench))["stops_placed"] == 0
