"""Incident 5: 12 option positions, $98,630, against limits of 5 and $10,000.

The count had no account filter, options counted without x 100, orders in flight did not
count, and "current" was compared instead of "current + this".
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.errors import CapExceeded, ConstraintViolated
from ops_pipeline.stages import dispatcher
from tests.support.builders_trading import Street, TradingBench

MOST_POSITIONS, MOST_EXPOSURE = 5, Decimal(10_000)
DISPATCHERS = 8
TICKERS = [f"T{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWX"]

_USED = """
SELECT count(DISTINCT symbol) AS positions, coalesce(sum(cost), 0) AS exposure
FROM (SELECT symbol, quantity * entry_price * multiplier AS cost
      FROM active_positions WHERE account_name = 'large' AND status <> 'closed'
      UNION ALL
      SELECT symbol, reserved_notional FROM orders
      WHERE account_name = 'large' AND purpose = 'entry' AND is_live(status)) AS held
"""
_RAW = """
INSERT INTO orders (client_order_id, account_name, purpose, recommendation_id, attempt, ticker,
    symbol, instrument_type, multiplier, side, quantity, order_type, price, time_in_force,
    reserved_notional, status, reason, decided_at, tick)
SELECT 'raw ' || id, account_name, 'entry', id, 1, ticker, ticker || '260220C00100000', 'CALL',
    100, 'buy', 10, 'limit', 2.50, 'day', 2500, 'intended', 'signal', created_at, ts
FROM dispatch_recommendations WHERE id = :id
"""

# Ten contracts at $9.00: $9,000, where ten shares would be $90.
_HELD_OPTION = """
INSERT INTO active_positions (id, account_name, ticker, symbol, instrument_type, strategy_type,
    side, quantity, opened_quantity, multiplier, entry_price, entry_time, option_symbol,
    trailing_armed, lifecycle_state, status, created_at, updated_at)
VALUES ('00000000-0000-0000-0000-000000000001', 'large', 'TX', 'TX260220C00100000', 'CALL',
    'swing_trade', 'long', 10, 10, 100, 9, :at, 'TX260220C00100000', false, 'adopted', 'open',
    :at, :at)
"""


@dataclass
class Most:
    """The largest committed state that was ever seen."""

    positions: int = 0
    exposure: Decimal = Decimal(0)

    def see(self, database: Database) -> None:
        with database.transaction() as tx:
            (now,) = tx.rows(_USED)
        self.positions = max(self.positions, now["positions"])
        self.exposure = max(self.exposure, Decimal(now["exposure"]))


@pytest.fixture
def connections(database_urls: DatabaseUrls) -> Iterator[list[Database]]:
    """One a dispatcher, and one to watch with."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                closing(Database(target_from_url(database_urls.writer), application_name="racer"))
            )
            for _ in range(DISPATCHERS + 1)
        ]


@pytest.fixture
def bench(bench: TradingBench) -> TradingBench:
    for ticker in TICKERS:
        bench.quote(ticker)
    return bench


def dispatch_all_at_once(bench: TradingBench, connections: list[Database]) -> Most:
    """Let eight dispatchers of one account loose at the same moment; what was seen at most."""
    start = threading.Barrier(DISPATCHERS, timeout=30)
    over = threading.Event()

    def dispatch(number: int) -> dispatcher.Outcome:
        # Runs of different ticks overlap; half of the orders fill at once, half rest.
        tick = bench.tick - timedelta(minutes=number)
        street = Street(bench.clock, at_once=dict.fromkeys(TICKERS[::2], ("100.02", None)))
        start.wait()
        return bench.dispatch(db=connections[number], broker=street, tick=tick)

    def watch() -> Most:
        most = Most()
        while not over.is_set():
            most.see(connections[DISPATCHERS])
        most.see(connections[DISPATCHERS])
        return most

    with ThreadPoolExecutor(DISPATCHERS + 1) as pool:
        watching = pool.submit(watch)
        try:
            running = [pool.submit(dispatch, number) for number in range(DISPATCHERS)]
            outcomes = [one.result() for one in running]
        finally:
            over.set()
        assert sum(outcome.pulled for outcome in outcomes) == len(TICKERS)
        assert sum(outcome.failed for outcome in outcomes) == 0
        return watching.result()


def test_eight_dispatchers_of_one_account_stay_within_five_positions(
    bench: TradingBench, connections: list[Database]
) -> None:
    for ticker in TICKERS:
        bench.recommend(ticker)

    most = dispatch_all_at_once(bench, connections)

    assert most.positions == MOST_POSITIONS
    assert most.exposure <= MOST_EXPOSURE
    assert len(bench.orders()) == MOST_POSITIONS


def test_eight_dispatchers_of_one_account_stay_within_the_exposure(
    bench: TradingBench, connections: list[Database]
) -> None:
    bench.set_account(max_positions=20, max_position_notional=1500)
    for ticker in TICKERS:
        bench.recommend(ticker)

    most = dispatch_all_at_once(bench, connections)

    assert MOST_EXPOSURE - 110 < most.exposure <= MOST_EXPOSURE
    assert bench.rows("SELECT 1 FROM dispatch_recommendations WHERE status = 'SKIPPED'")


def race_raw_inserts(bench: TradingBench, connections: list[Database]) -> Most:
    """Options of $2,500 each, by raw SQL from eight connections at once."""
    numbers = [bench.recommend(ticker) for ticker in TICKERS]
    start = threading.Barrier(DISPATCHERS, timeout=30)

    def insert(racer: int) -> None:
        start.wait()
        for number in numbers[racer::DISPATCHERS]:
            with suppress(CapExceeded), connections[racer].transaction() as tx:
                tx.execute(_RAW, id=number)

    with ThreadPoolExecutor(DISPATCHERS) as pool:
        for one in [pool.submit(insert, racer) for racer in range(DISPATCHERS)]:
            one.result()
    most = Most()
    most.see(connections[DISPATCHERS])
    return most


def test_raw_inserts_of_options_stay_within_the_limits_without_any_gate(
    bench: TradingBench, connections: list[Database]
) -> None:
    most = race_raw_inserts(bench, connections)
    assert (most.positions, most.exposure) == (4, MOST_EXPOSURE)


def test_a_raw_update_over_the_limit_is_refused(bench: TradingBench) -> None:
    bench.run(_RAW, id=bench.recommend("TA"))
    with pytest.raises(CapExceeded):
        bench.run("UPDATE orders SET quantity = 50, reserved_notional = 12500")


def test_an_option_cannot_reserve_less_than_its_hundred_shares_a_contract(
    bench: TradingBench,
) -> None:
    with pytest.raises(ConstraintViolated) as refusal:
        bench.run(_RAW.replace("2500,", "25,"), id=bench.recommend("TA"))
    assert refusal.value.constraint == "orders_live_entry_reserves_its_cost"


def test_held_options_count_a_hundred_shares_a_contract_for_gate_and_trigger(
    bench: TradingBench,
) -> None:
    bench.run(_HELD_OPTION, at=bench.clock.now())
    bench.set_account(max_position_notional=5000)
    number = bench.recommend("TA")

    bench.dispatch()

    assert bench.verdict(number, "max_exposure")["observed"] == pytest.approx(9000 + 9 * 100.1)
    with pytest.raises(CapExceeded, match="Exposure"):
        bench.run(_RAW, id=bench.recommend("TB"))


def test_the_same_inserts_pass_every_limit_once_the_trigger_is_gone(
    bench: TradingBench, connections: list[Database], owner_db: Database
) -> None:
    """Shows that the tests above can fail: 24 contracts' lots at $2,500 are $60,000."""
    with owner_db.transaction() as tx:
        tx.script("DROP TRIGGER orders_entry_within_caps ON orders")
    most = race_raw_inserts(bench, connections)
    assert most.positions > MOST_POSITIONS
    assert most.exposure > MOST_EXPOSURE


def test_another_accounts_positions_take_no_room(bench: TradingBench) -> None:
    """The count once had no account filter."""
    bench.buy("TA", account="tiny")
    for ticker in TICKERS[1:6]:
        bench.recommend(ticker)
    assert bench.dispatch().processed == MOST_POSITIONS
