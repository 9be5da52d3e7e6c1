"""An account's mode changes with something open: nothing real is simulated, nothing is hidden."""

from collections.abc import Callable

import pytest
from pg8000.exceptions import DatabaseError

from ops_pipeline.db import orders
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.orders import Order
from ops_pipeline.errors import BrokerOutcomeUnknown, OpsError
from ops_pipeline.execution.decisions.booking import EvidenceMismatch
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport
from tests.support.builders_trading import TradingBench

REFUSED = (DatabaseError, OpsError)
CHANGES = [
    ("execution_mode", "SIMULATED"),
    ("execution_mode", "LIVE"),
    ("broker", "toy"),
]


def _resting_entry(bench: TradingBench) -> None:
    bench.recommend()
    bench.dispatch()


def _unknown_entry(bench: TradingBench) -> None:
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=True)
    _resting_entry(bench)


def _position(bench: TradingBench) -> None:
    bench.buy()


def _closing_position(bench: TradingBench) -> None:
    bench.buy()
    bench.run("UPDATE active_positions SET status = 'closing'")


def the_order(bench: TradingBench) -> Order:
    name = str(bench.order()["client_order_id"])
    with bench.db.transaction() as tx:
        return orders.lock(tx, name)


@pytest.mark.parametrize(
    "open_something", [_resting_entry, _unknown_entry, _position, _closing_position]
)
@pytest.mark.parametrize(("column", "value"), CHANGES)
def test_mode_and_broker_stand_while_anything_is_open(
    bench: TradingBench,
    owner_db: Database,
    open_something: Callable[[TradingBench], None],
    column: str,
    value: str,
) -> None:
    open_something(bench)
    with pytest.raises(REFUSED, match="mode and broker stand"), owner_db.transaction() as tx:
        tx.execute(
            f"UPDATE accounts SET {column} = :value WHERE account_name = 'large'", value=value
        )
    assert bench.order()["execution_mode"] == "ALPACA_PAPER"


def test_a_flat_account_changes_its_mode(bench: TradingBench) -> None:
    bench.buy()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    bench.broker.at_once["AAA"] = ("99.98", None)
    for _ in range(3):
        bench.next_minute()
        bench.guard()
    assert bench.position()["status"] == "closed"
    bench.set_account(execution_mode="SIMULATED")
    bench.recommend("BBB")
    bench.quote("BBB")
    bench.dispatch()
    by_ticker = {order["ticker"]: order["execution_mode"] for order in bench.orders("entry")}
    assert by_ticker == {"AAA": "ALPACA_PAPER", "BBB": "SIMULATED"}


def test_the_history_keeps_the_mode_that_the_position_was_opened_under(bench: TradingBench) -> None:
    bench.buy()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    bench.broker.at_once["AAA"] = ("99.98", None)
    for _ in range(3):
        bench.next_minute()
        bench.guard()
    (history,) = bench.rows("SELECT execution_mode FROM position_history")
    assert history["execution_mode"] == "ALPACA_PAPER"


def test_a_run_that_began_simulated_sends_and_simulates_nothing_of_a_broker_s_account(
    bench: TradingBench,
) -> None:
    """Its account changed its mode between the run's first look and its first order."""
    bench.set_account(execution_mode="SIMULATED")
    gateway = bench.gateway()
    bench.set_account(execution_mode="ALPACA_PAPER")
    _unknown_entry(bench)
    order = the_order(bench)
    gateway.send(order, bench.market.latest["AAA"])
    assert bench.rows("SELECT 1 FROM fills") == []


def test_evidence_of_another_kind_is_not_booked(bench: TradingBench) -> None:
    _resting_entry(bench)
    gateway = bench.gateway()
    order = the_order(bench)
    found = bench.broker.orders[order.client_order_id]
    with pytest.raises(EvidenceMismatch):
        gateway.settle(order, ExecutionReport(found=found, simulated=True))


def test_a_fill_s_evidence_fits_its_order_s_mode_whoever_writes_it(bench: TradingBench) -> None:
    bench.buy()
    with pytest.raises(REFUSED, match="does not fit the order's mode"):
        bench.run(
            "INSERT INTO fills (account_name, fill_id, client_order_id, symbol, side, quantity,"
            " price, executed_at, evidence, recorded_at) SELECT account_name, 'made-up',"
            " client_order_id, symbol, side, 1, 100, decided_at, 'simulated', decided_at"
            " FROM orders WHERE purpose = 'entry'"
        )


def test_an_order_is_of_its_account_s_mode_whoever_writes_it(bench: TradingBench) -> None:
    _resting_entry(bench)
    with pytest.raises(REFUSED):
        bench.run("UPDATE orders SET execution_mode = 'SIMULATED'")
