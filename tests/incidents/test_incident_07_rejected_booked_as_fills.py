"""Incident 7: rejected orders were booked as SIMULATED_FALLBACK fills at made-up prices.

A fill needs the broker's evidence; simulation is a mode of an account, chosen, labelled in
every row, and kept out of the real accounts' limits and results.
"""

import pytest

from ops_pipeline.db import facts
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.errors import BrokerRejected, BrokerUnavailable, ConstraintViolated, OpsError
from tests.support.builders_trading import DAY, TradingBench


@pytest.mark.parametrize("error", [BrokerRejected("40310000: no"), BrokerUnavailable("503")])
def test_an_order_that_was_not_taken_leaves_no_fill_no_execution_and_no_position(
    bench: TradingBench, error: OpsError
) -> None:
    bench.broker.fail("submit", error)
    number = bench.recommend()
    bench.dispatch()
    assert bench.order()["filled_qty"] == 0
    for table in ("fills", "dispatch_executions", "active_positions", "position_history"):
        assert not bench.rows(f"SELECT 1 FROM {table}"), table
    row = bench.recommendation(number)
    assert row["status"] in ("FAILED", "PENDING")
    if isinstance(error, BrokerRejected):
        assert (row["status"], row["failure_reason"]) == ("FAILED", "40310000: no")


def test_no_row_can_say_simulated_fallback_any_more(bench: TradingBench) -> None:
    bench.buy()
    with pytest.raises(ConstraintViolated, match="dispatch_executions_no_fallback"):
        bench.run("UPDATE dispatch_executions SET execution_mode = 'SIMULATED_FALLBACK'")


def test_a_simulated_account_says_so_in_every_row_and_asks_no_broker(bench: TradingBench) -> None:
    bench.set_account(execution_mode="SIMULATED")
    bench.recommend()
    bench.dispatch()
    (execution,) = bench.rows(
        "SELECT execution_mode, simulated_ts, sim_json FROM dispatch_executions"
    )
    assert execution["execution_mode"] == "SIMULATED"
    assert execution["simulated_ts"] is not None
    assert execution["sim_json"] is not None
    assert bench.rows("SELECT DISTINCT evidence FROM fills") == [{"evidence": "simulated"}]
    assert not bench.broker.calls


def test_simulated_results_count_for_no_real_account(bench: TradingBench) -> None:
    bench.set_account(execution_mode="SIMULATED")
    bench.recommend()
    bench.dispatch()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    bench.next_minute(AAA=("50.00", "50.02"))
    bench.guard()
    (history,) = bench.rows("SELECT execution_mode, pnl_dollars FROM position_history")
    assert history["execution_mode"] == "SIMULATED"
    assert history["pnl_dollars"] < -500
    with bench.db.transaction() as tx:
        since = new_york_time(DAY, 0)
        real = facts.day_pnl(tx, account="large", mode="ALPACA_PAPER", day_start=since)
    assert real == 0
