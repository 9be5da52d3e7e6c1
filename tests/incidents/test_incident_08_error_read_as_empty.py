"""Incident 8: a broker's error was read as "no positions", and all open rows were closed.

Error is not empty, and one empty answer proves nothing: a position is closed only on a
fill, or on two agreeing looks that also find no open order. Then without a price.
"""

import pytest

from ops_pipeline.errors import BrokerUnavailable, StageFailed
from ops_pipeline.stages import reconciler
from tests.support.builders_trading import TradingBench


@pytest.fixture
def bench(bench: TradingBench) -> TradingBench:
    bench.buy()
    return bench


def reconcile(bench: TradingBench) -> reconciler.Outcome:
    bench.next_minute()
    return bench.reconcile()


def lose_sight(bench: TradingBench) -> None:
    """The broker answers well and says that it holds nothing."""
    bench.broker.hold("AAA", "0", "100.00")


def test_an_error_closes_nothing_however_often_it_comes(bench: TradingBench) -> None:
    bench.broker.fail("positions", BrokerUnavailable("500"), times=99)
    for _ in range(3):
        with pytest.raises(StageFailed, match="BrokerUnavailable"):
            reconcile(bench)
    assert bench.position()["status"] == "open"
    assert not bench.rows("SELECT 1 FROM position_history")


def test_one_empty_answer_closes_nothing_and_alerts(bench: TradingBench) -> None:
    lose_sight(bench)
    reconcile(bench)
    assert bench.position()["status"] == "open"
    assert "position_missing" in bench.alerts()


def test_an_empty_answer_that_was_an_error_leaves_no_trace_the_next_time(
    bench: TradingBench,
) -> None:
    lose_sight(bench)
    reconcile(bench)
    bench.broker.hold("AAA", "19", "100.00")
    reconcile(bench)
    assert "position_missing" not in bench.alerts()
    lose_sight(bench)
    reconcile(bench)
    assert bench.position()["status"] == "open"


def test_two_agreeing_looks_close_without_a_price_and_out_of_learning(bench: TradingBench) -> None:
    lose_sight(bench)
    reconcile(bench)
    reconcile(bench)
    (history,) = bench.rows(
        "SELECT verified, exit_price, pnl_dollars, win_loss_label FROM position_history"
    )
    assert history == {
        "verified": False,
        "exit_price": None,
        "pnl_dollars": None,
        "win_loss_label": None,
    }


def test_an_open_order_in_it_keeps_a_position_open(bench: TradingBench) -> None:
    bench.guard()
    lose_sight(bench)
    for _ in range(3):
        reconcile(bench)
    assert bench.position()["status"] == "open"


def test_the_position_manager_closes_nothing_the_broker_does_not_list(bench: TradingBench) -> None:
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    lose_sight(bench)
    for _ in range(3):
        bench.next_minute()
        bench.guard()
    assert bench.position()["status"] != "closed"
    assert not bench.orders("exit")
    assert "nothing_to_sell" in bench.alerts()
