"""Turning an exit decision into orders, step by step."""

from collections import Counter
from decimal import Decimal

import pytest

from ops_pipeline.db import positions
from ops_pipeline.db.connection import Database
from ops_pipeline.domain.exits import Decision
from ops_pipeline.errors import BrokerOutcomeUnknown, ConstraintViolated
from ops_pipeline.stages import selling
from tests.builders_trading import Desk


@pytest.fixture
def desk(db: Database) -> Desk:
    desk = Desk(db)
    desk.buy()
    desk.next_minute()
    return desk


def decision(desk: Desk, *, sell: int = 0, rule: str | None = None) -> Decision:
    with desk.db.transaction() as tx:
        (held,) = positions.held(tx, "large")
    return Decision(held, (), Decimal(sell), rule)


def act(desk: Desk, decided: Decision) -> Counter[str]:
    return selling.act(desk.road(), decided, desk.market.latest["AAA"])


def test_a_decision_acted_on_twice_sells_once(desk: Desk) -> None:
    asked = decision(desk, sell=19, rule="take_profit")
    assert act(desk, asked)["exits_sent"] == 1
    assert act(desk, asked)["exits_sent"] == 0
    assert len(desk.orders("exit")) == 1


def test_a_decision_on_a_position_that_shrank_meanwhile_is_dropped(desk: Desk) -> None:
    asked = decision(desk, sell=19, rule="take_profit")
    desk.run("UPDATE active_positions SET quantity = 10")
    assert act(desk, asked)["exits_sent"] == 0
    assert not desk.orders("exit")


def test_another_rule_takes_over_a_partial_exit_under_way(desk: Desk) -> None:
    act(desk, decision(desk, sell=7, rule="partial"))
    act(desk, decision(desk, sell=19, rule="stop_loss"))
    assert [(o["reason"], o["status"]) for o in desk.orders("exit")] == [
        ("partial", "canceled"),
        ("stop_loss", "accepted"),
    ]


def test_an_exit_whose_outcome_is_unknown_is_waited_for(desk: Desk) -> None:
    desk.broker.fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=True)
    act(desk, decision(desk, sell=19, rule="stop_loss"))
    desk.next_minute()
    assert act(desk, decision(desk, sell=19, rule="stop_loss"))["exits_sent"] == 0
    assert len(desk.broker.submitted) == 2


def test_a_position_has_one_live_exit_whoever_writes_it(desk: Desk) -> None:
    act(desk, decision(desk, sell=19, rule="take_profit"))
    with pytest.raises(ConstraintViolated) as refusal:
        desk.run(
            "INSERT INTO orders (client_order_id, account_name, purpose, position_id, attempt,"
            " ticker, symbol, instrument_type, multiplier, side, quantity, order_type, price,"
            " time_in_force, reserved_notional, status, reason, decided_at, tick)"
            " SELECT 'second', account_name, purpose, position_id, 9, ticker, symbol,"
            " instrument_type, multiplier, side, quantity, order_type, price, time_in_force, 0,"
            " 'intended', reason, decided_at, tick FROM orders WHERE purpose = 'exit'"
        )
    assert refusal.value.constraint == "orders_one_live_exit"


def test_a_fractional_position_keeps_one_stop_for_its_whole_shares(desk: Desk) -> None:
    desk.set_account(fractional_shares=True)
    desk.run("UPDATE active_positions SET quantity = 10.5")
    assert act(desk, decision(desk))["stops_placed"] == 1
    assert desk.order("stop")["quantity"] == 10
    assert act(desk, decision(desk)) == Counter()


def test_no_stop_is_placed_while_the_entry_still_fills(db: Database) -> None:
    desk = Desk(db)
    desk.broker.at_once["AAA"] = ("100.00", "9")
    desk.recommend()
    desk.dispatch()
    assert act(desk, decision(desk))["stops_placed"] == 0
