"""Many dispatchers at once, without the leases that keep them apart: the caps hold all the same.

A deferred trigger, which only this test adds, writes down at each COMMIT what the account
then holds and is buying.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.broker import BrokerOrder, OrderRequest
from ops_pipeline.domain.market import MINUTE
from ops_pipeline.errors import BrokerRejected
from ops_pipeline.ports import send_always
from tests.support.builders_trading import Street, TradingBench

T = TypeVar("T")
CAPS = {"large": 5, "tiny": 1}

_LOG = """
CREATE TABLE commits (account_name text, symbols bigint, exposure numeric);
GRANT INSERT ON commits TO ops_pipeline_writer;
CREATE FUNCTION log_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO commits
    SELECT NEW.account_name, count(DISTINCT symbol), coalesce(sum(cost), 0)
    FROM (SELECT symbol, quantity * entry_price AS cost FROM active_positions
          WHERE account_name = NEW.account_name AND status <> 'closed'
          UNION ALL
          SELECT symbol, reserved_notional FROM orders
          WHERE account_name = NEW.account_name AND purpose = 'entry' AND is_live(status)) AS held;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER log_order AFTER INSERT OR UPDATE ON orders
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_commit();
CREATE CONSTRAINT TRIGGER log_position AFTER INSERT OR UPDATE ON active_positions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_commit();
"""
# As many tickers as asked for, each as fresh as AAA.
_MULTIPLY = """
INSERT INTO {table} SELECT (jsonb_populate_record(source, jsonb_build_object(
    'ticker', 'QZ' || chr(65 + n / 26) || chr(65 + n % 26)))).*
FROM {table} AS source, generate_series(1, CAST(:count AS integer)) AS n
WHERE source.ticker = 'AAA'
"""


@dataclass
class BusyStreet(Street):
    """Serves many threads, one at a time, and refuses every third order."""

    turn: "threading.RLock" = field(default_factory=threading.RLock)

    def submit(
        self, order: OrderRequest, before_sending: Callable[[], None] = send_always
    ) -> BrokerOrder:
        with self.turn:
            if order.side == "buy" and len(self.submitted) % 3 == 0:
                self.submitted.append(order)
                raise BrokerRejected("40310000: refused by this test")
            self.at_once[order.symbol] = ("100.00", None)
            return super().submit(order, before_sending)

    def _answer(self, call: "str", act: Callable[[], T]) -> T:
        with self.turn:
            return super()._answer(call, act)  # type: ignore[arg-type]


def prepare(bench: TradingBench, owner: Database, tickers: int) -> None:
    """Recommend every ticker to both accounts, and log each commit from now on."""
    with owner.transaction() as tx:
        tx.script(_LOG)
    with bench.db.transaction() as tx:
        for table in ("tickers", "lane_telemetry", "lane_features"):
            tx.execute(_MULTIPLY.format(table=table), count=tickers)
    for number in range(1, tickers + 1):
        ticker = f"QZ{chr(65 + number // 26)}{chr(65 + number % 26)}"
        bench.market.quote(ticker, "99.98", "100.00")
        for account in CAPS:
            bench.recommend(ticker, account=account)
    bench.set_account("tiny", max_exposure=10_000)
    bench.brokers = {name: BusyStreet(bench.clock, account_number=name) for name in CAPS}


def crowd(bench: TradingBench, urls: DatabaseUrls, dispatchers: int) -> None:
    """Let so many serve both accounts, and a guard an account sell what they bought."""
    done = threading.Event()

    def dispatch(number: int) -> int:
        account = tuple(CAPS)[number % 2]
        # A minute of its own each, as ticks that overlap have: one run is one claimant.
        tick = bench.tick + number * MINUTE
        with closing(_login(urls)) as database:
            outcome = bench.dispatch(account, db=database, tick=tick)
        return outcome.pulled

    def guard(account: str) -> None:
        with closing(_login(urls)) as database:
            while not done.is_set():
                with database.transaction() as tx:
                    tx.execute(
                        "UPDATE active_positions SET exit_requested = 'operator'"
                        " WHERE account_name = :account AND status = 'open'",
                        account=account,
                    )
                bench.guard(account, db=database)

    with ThreadPoolExecutor(dispatchers + len(CAPS)) as pool:
        guards = [pool.submit(guard, account) for account in CAPS]
        served = [pool.submit(dispatch, number) for number in range(dispatchers)]
        try:
            pulled = sum(one.result() for one in served)
        finally:
            done.set()
        for one in guards:
            one.result()
    sys.stdout.write(f"{dispatchers} dispatchers pulled {pulled} recommendations\n")


def _login(urls: DatabaseUrls) -> Database:
    return Database(target_from_url(urls.writer), application_name="crowd")


@pytest.mark.parametrize(
    ("dispatchers", "tickers"),
    [(8, 60), pytest.param(32, 500, marks=pytest.mark.slow)],
)
def test_the_caps_hold_in_every_committed_state_however_many_dispatch(
    db: Database,
    owner_db: Database,
    database_urls: DatabaseUrls,
    dispatchers: int,
    tickers: int,
) -> None:
    bench = TradingBench(db)
    prepare(bench, owner_db, tickers)
    crowd(bench, database_urls, dispatchers)

    with owner_db.transaction() as tx:
        seen = tx.rows(
            "SELECT account_name, count(*) AS commits, max(symbols) AS symbols,"
            " max(exposure) AS exposure FROM commits GROUP BY account_name ORDER BY account_name"
        )
    sys.stdout.write(f"{[dict(row) for row in seen]}\n")
    assert {row["account_name"] for row in seen} == set(CAPS)
    for row in seen:
        assert row["symbols"] <= CAPS[row["account_name"]]
        assert row["exposure"] <= 10_000
    assert max(row["symbols"] for row in seen) > 1
    ended = Counter(
        row["status"] for row in bench.rows("SELECT status FROM dispatch_recommendations")
    )
    assert set(ended) <= {"EXECUTED", "SKIPPED", "FAILED"}
    assert ended.total() == 2 * tickers
    assert ended["EXECUTED"] > 0
    for broker in bench.brokers.values():
        names = Counter(order.client_order_id for order in broker.submitted)
        assert set(names.values()) == {1}
