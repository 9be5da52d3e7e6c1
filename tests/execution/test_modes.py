"""An account's mode changes with something open: nothing real is simulated, nothing is hidden."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pg8000.exceptions import DatabaseError

from ops_pipeline.db import orders
from ops_pipeline.db.driver.connection import Database, Transaction
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


def test_a_flat_account_changes_its_mode(bench: TradingBench, owner_db: Database) -> None:
    bench.buy()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    bench.broker.at_once["AAA"] = ("99.98", None)
    for _ in range(3):
        bench.next_minute()
        bench.guard()
    assert bench.position()["status"] == "closed"
    with owner_db.transaction() as tx:
        _guarded(tx, bench.clock.now() + timedelta(days=5))
    bench.set_account(execution_mode="SIMULATED")
    with owner_db.transaction() as tx:
        tx.execute("DELETE FROM pipeline_runs WHERE owner = 'days later'")
    bench.recommend("BBB")
    bench.quote("BBB")
    bench.dispatch()
    by_ticker = {order["ticker"]: order["execution_mode"] for order in bench.orders("entry")}
    assert by_ticker == {"AAA": "ALPACA_PAPER", "BBB": "SIMULATED"}


@dataclass(frozen=True)
class Ended:
    """An order for ten shares; its account's guard ran last so many days after its end."""

    filled: int
    recorded: int
    days: int


@pytest.mark.parametrize("order", [Ended(0, 0, 3), Ended(4, 4, 3), Ended(10, 4, 8)])
def test_mode_and_broker_stand_while_the_broker_may_tell_of_a_late_fill(
    bench: TradingBench, owner_db: Database, order: Ended
) -> None:
    """A switched account is asked nothing, so a late fill of its order would never be booked."""
    _insert(owner_db, order)
    with pytest.raises(REFUSED, match=r"may still tell of a fill of late-1: .* to 2026-02-"):
        bench.set_account(execution_mode="SIMULATED")


@pytest.mark.parametrize("order", [Ended(0, 0, 5), Ended(10, 10, 1), Ended(10, 4, 10)])
def test_mode_and_broker_may_change_once_no_late_fill_is_waited_for(
    bench: TradingBench, owner_db: Database, order: Ended
) -> None:
    _insert(owner_db, order)
    bench.set_account(execution_mode="SIMULATED")


def _insert(owner_db: Database, order: Ended) -> None:
    with owner_db.transaction() as tx:
        tx.execute(
            "INSERT INTO orders (client_order_id, account_name, purpose, ticker, symbol,"
            " instrument_type, multiplier, side, quantity, order_type, time_in_force, price,"
            " reserved_notional, status, attempt, tick, decided_at, terminal_at, reason,"
            " parameter_version, broker_order_id, filled_qty, filled_avg_price)"
            " VALUES ('late-1', 'large', 'adopted', 'AAA', 'AAA', 'STOCK', 1, 'buy', 10, 'limit',"
            " 'day', 100, 0, :status, 1, '2026-02-02', '2026-02-02',"
            " '2026-02-03', 'external', 1, 'b-9', :filled,"
            " :price)",
            status="filled" if order.filled == 10 else "canceled",
            filled=order.filled,
            price=100 if order.filled else None,
        )
        _guarded(tx, datetime(2026, 2, 3, tzinfo=UTC) + timedelta(days=order.days))
        if order.recorded:
            tx.execute(
                "INSERT INTO fills (account_name, fill_id, client_order_id, symbol, side, quantity,"
                " price, executed_at, evidence, recorded_at) VALUES ('large', 'f-1', 'late-1',"
                " 'AAA', 'buy', :recorded, 100, '2026-02-03', 'broker', '2026-02-03')",
                recorded=order.recorded,
            )


def _guarded(tx: Transaction, tick: datetime) -> None:
    tx.execute(
        "INSERT INTO pipeline_runs (run_id, stage, tick, scope, attempt, status, owner,"
        " lease_expires_at, started_at, finished_at, counts) VALUES (:id, 'position_manager',"
        " :tick, 'large', 1, 'succeeded', 'days later', :tick, :tick, :tick, '{}')",
        id=uuid4(),
        tick=tick,
    )


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
