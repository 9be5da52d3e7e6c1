"""A split that nobody had told by 08:30: the guard's runs before the open look for it."""

from decimal import Decimal
from typing import Any

import pytest

from ops_pipeline.domain.market import new_york_time
from ops_pipeline.errors import BrokerUnavailable, StageFailed
from ops_pipeline.execution.exit_orders import ExitOrders
from tests.stages.over_night import (
    TWO_FOR_ONE,
    announce,
    at_open,
    before_open,
    guarded,
    sound,
    swing,
)
from tests.stages.reconciling import halt
from tests.support.builders_trading import DAY, DAY_AFTER, TradingBench
from tests.support.fake_broker import RestingOver

__all__ = ["swing"]


def resting(bench: TradingBench) -> list[tuple[str, str]]:
    """Price and number of each stop that rests at the broker."""
    live = [it for it in bench.broker.orders.values() if it.status == "working"]
    return [(str(it.stop_price), str(it.quantity)) for it in live]


@pytest.fixture
def morning(swing: TradingBench) -> TradingBench:
    """At nine: the comparison of 08:30 agreed, and the stop rests at $98."""
    swing.reconcile()
    assert swing.alerts() == []
    swing.clock.at = new_york_time(DAY_AFTER, 9)
    return swing


@pytest.mark.parametrize("resting_over", ["canceled", "adjusted", "left"])
def test_a_split_that_an_activity_tells_of_is_counted_before_the_open(
    morning: TradingBench, resting_over: RestingOver
) -> None:
    morning.broker.split("AAA", "2", "1", resting=resting_over)
    morning.broker.move_cash("SPLIT", "0", symbol="AAA")
    before_open(morning)
    assert (morning.position()["quantity"], morning.position()["stop_loss"]) == (38, 49)
    assert resting(morning) == [("49.00", "38")]
    at_open(morning, "50.20")
    guarded(morning, 2, compared="large")
    assert morning.orders("exit") == []
    assert (morning.alerts(), halt(morning)) == ([], None)
    sound(morning)


def test_an_announced_split_that_is_booked_after_half_past_eight_is_counted_before_the_open(
    swing: TradingBench,
) -> None:
    announce(swing, TWO_FOR_ONE)
    swing.reconcile()
    assert swing.alerts() == ["corporate_action_pending"]
    swing.broker.split("AAA", "2", "1", resting="left")
    before_open(swing)
    assert resting(swing) == [("49.00", "38")]
    assert swing.alerts() == []


@pytest.mark.parametrize("announced", [True, False])
def test_a_stop_that_would_sell_at_the_open_for_a_split_alone_is_lowered(
    morning: TradingBench, *, announced: bool
) -> None:
    """Two agree: the market, and either the announcement or what the broker counts."""
    if announced:
        announce(morning, TWO_FOR_ONE)
    else:
        morning.broker.split("AAA", "2", "1", resting="left")
    morning.market.trade("AAA", "50.10")
    morning.market.quote("AAA", "50.05", "50.15")
    before_open(morning)
    assert resting(morning) == [("49.00", "19")]
    assert morning.position()["quantity"] == 19
    assert "corporate_action_pending" in morning.alerts()
    if announced:
        morning.broker.split("AAA", "2", "1", resting="left")
    at_open(morning, "50.20")
    morning.broker.move_cash("SPLIT", "0", symbol="AAA")
    guarded(morning, 3, compared="large")
    assert resting(morning) == [("49.00", "38")]
    assert morning.orders("exit") == []
    assert (morning.alerts(), halt(morning)) == ([], None)
    sound(morning)


@pytest.mark.parametrize(
    ("trade", "bid", "ask"),
    [
        (None, None, None),
        ("100.20", None, None),
        ("50.10", "100.00", "100.20"),
        ("75.00", None, None),
        (None, "10.00", "90.00"),
    ],
    ids=["nobody tells", "the old price", "they differ", "between", "too wide"],
)
def test_where_the_market_does_not_say_so_the_stop_stays(
    morning: TradingBench, trade: str | None, bid: str | None, ask: str | None
) -> None:
    morning.broker.split("AAA", "2", "1", resting="left")
    morning.market.latest.clear()
    if trade is not None:
        morning.market.trade("AAA", trade)
    if bid is not None and ask is not None:
        morning.market.quote("AAA", bid, ask)
    before_open(morning)
    assert resting(morning) == [("98.00", "19")]
    assert "corporate_action_pending" in morning.alerts()


def test_yesterday_s_trade_says_nothing_of_today(morning: TradingBench) -> None:
    morning.market.latest.clear()
    morning.clock.at = new_york_time(DAY, 15)
    morning.market.trade("AAA", "50.10")
    morning.broker.split("AAA", "2", "1", resting="left")
    before_open(morning)
    assert resting(morning) == [("98.00", "19")]


def test_a_list_that_erred_gets_the_stop_back_once_it_agrees(morning: TradingBench) -> None:
    morning.broker.hold("AAA", "38", "50.00")
    morning.market.trade("AAA", "50.10")
    morning.market.latest.clear()
    before_open(morning)
    assert resting(morning) == [("49.00", "19")]
    morning.broker.hold("AAA", "19", "100.00")
    at_open(morning, "100.20")
    morning.market.trade("AAA", "100.20")
    guarded(morning, 13, compared="large")
    assert resting(morning) == [("98.00", "19")]
    assert (morning.alerts(), halt(morning)) == ([], None)


class Killed(BaseException):
    """The process dies here."""


def test_a_run_that_dies_before_the_lower_stop_is_made_good_by_the_next(
    morning: TradingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning.broker.split("AAA", "2", "1", resting="left")
    morning.market.latest.clear()
    morning.market.trade("AAA", "50.10")
    morning.clock.at = new_york_time(DAY_AFTER, 9, 25)

    def dies(*_: Any, **__: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(ExitOrders, "_commit_and_send", dies)
        with pytest.raises(Killed):
            morning.guard()
    assert resting(morning) == []
    morning.clock.advance(60)
    morning.guard()
    assert resting(morning) == [("49.00", "19")]


def test_a_stop_whose_cancel_is_not_confirmed_stays_alone(morning: TradingBench) -> None:
    morning.broker.split("AAA", "2", "1", resting="left")
    morning.market.latest.clear()
    morning.market.trade("AAA", "50.10")
    morning.broker.cancels_pend = True
    before_open(morning)
    assert len(morning.orders("stop")) == 1
    assert "exit_blocked" in morning.alerts()


def test_a_run_that_cannot_ask_says_so_and_leaves_the_stop(morning: TradingBench) -> None:
    morning.broker.split("AAA", "2", "1", resting="left")
    morning.clock.at = new_york_time(DAY_AFTER, 9, 25)
    morning.broker.fail("positions", BrokerUnavailable("503"))
    with pytest.raises(StageFailed, match="corporate actions not counted"):
        morning.guard()
    assert resting(morning) == [("98.00", "19")]
    assert morning.position()["quantity"] == Decimal(19)


def test_what_agrees_costs_one_request(morning: TradingBench) -> None:
    morning.clock.at = new_york_time(DAY_AFTER, 9, 25)
    before = len(morning.broker.calls)
    morning.guard()
    asked = morning.broker.calls[before:]
    assert asked.count("positions") == 1
    assert "cash_activities_since" not in asked
