"""Incident 6: two accounts mixed.

One dispatcher took the other's rows, a column defaulted to one account's name, and keys
could be swapped unnoticed.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from pg8000.exceptions import DatabaseError

from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.db import dispatch
from ops_pipeline.db.driver.connection import Database, Row, target_from_url
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.errors import (
    AccountMismatch,
    BrokerOutcomeUnknown,
    ConstraintViolated,
    InvalidInput,
    SettingsInvalid,
)
from ops_pipeline.runtime.wiring import Runtime
from tests.contract.paper_street import LARGE, TINY, open_exchange
from tests.support.builders_trading import DAY, TradingBench

OF_AN_ACCOUNT = {
    "accounts",
    "active_positions",
    "dispatch_executions",
    "dispatch_recommendations",
    "dispatcher_runs",
    "fills",
    "orders",
    "position_events",
    "position_history",
    "position_telemetry",
}
_COLUMNS = """
SELECT c.table_name, c.is_nullable, c.column_default,
       EXISTS (SELECT 1 FROM pg_constraint AS k JOIN pg_attribute AS a
                   ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
               WHERE k.contype = 'f' AND k.confrelid = 'accounts'::regclass
                 AND k.conrelid = c.table_name::regclass AND a.attname = 'account_name') AS bound
FROM information_schema.columns AS c JOIN information_schema.tables AS t
    USING (table_schema, table_name)
WHERE table_schema = 'public' AND column_name = 'account_name' AND table_type = 'BASE TABLE'
"""
# Every column of one account's table that names a row of another account's table.
_POINTERS = """
SELECT k.conrelid::regclass::text AS "from", k.confrelid::regclass::text AS "to",
       array_agg(a.attname::text ORDER BY a.attname) AS columns
FROM pg_constraint AS k JOIN pg_attribute AS a
    ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
WHERE k.contype = 'f' GROUP BY k.oid, k.conrelid, k.confrelid
"""

_WAITING = """
INSERT INTO orders (client_order_id, account_name, purpose, recommendation_id, attempt, ticker,
    symbol, instrument_type, multiplier, side, quantity, order_type, price, time_in_force,
    reserved_notional, status, reason, decided_at, tick)
SELECT 'waiting', :account, 'entry', id, 1, ticker, ticker, 'STOCK', 1, 'buy', 1, 'limit', 1,
    'day', 1, 'intended', 'signal', created_at, ts
FROM dispatch_recommendations
"""


def rows_of(bench: TradingBench, account: str) -> dict[str, list[Row]]:
    return {
        table: bench.rows(f"SELECT * FROM {table} WHERE account_name = :a ORDER BY 1, 2", a=account)
        for table in sorted(OF_AN_ACCOUNT)
    }


def test_a_dispatcher_takes_its_own_accounts_recommendations_only(bench: TradingBench) -> None:
    theirs, own = bench.recommend(account="tiny"), bench.recommend(account="large")

    assert bench.dispatch("large").pulled == 1

    assert bench.recommendation(own)["status"] == "PROCESSING"
    assert bench.recommendation(theirs)["status"] == "PENDING"
    assert not bench.brokers["tiny"].submitted
    assert {row["account_name"] for row in bench.orders()} == {"large"}


def test_two_dispatchers_at_once_never_claim_across_accounts(
    bench: TradingBench, database_urls: DatabaseUrls
) -> None:
    for number in range(40):
        bench.recommend(f"T{number}", account=("large", "tiny")[number % 2])
    for account in ("large", "tiny"):
        run_id = stable_uuid(account)
        with bench.db.transaction() as tx:
            dispatch.start_run(
                tx, run_id=run_id, account=account, tick=bench.tick, now=bench.clock.now()
            )

    def claim_all(account: str) -> list[str]:
        login = Database(target_from_url(database_urls.writer), application_name="claimer")
        claimed: list[str] = []
        with closing(login):
            while True:
                with login.transaction() as tx:
                    found = dispatch.claim(
                        tx,
                        account=account,
                        tickers=[f"T{number}" for number in range(40)],
                        run_id=stable_uuid(account),
                        now=bench.clock.now(),
                        lease=timedelta(minutes=1),
                    )
                if found is None:
                    return claimed
                claimed.append(found.account_name)

    with ThreadPoolExecutor(2) as pool:
        large, tiny = pool.map(claim_all, ("large", "tiny"))
    assert (large, tiny) == (["large"] * 20, ["tiny"] * 20)


def test_a_whole_day_of_one_account_leaves_the_others_rows_as_they_were(
    bench: TradingBench,
) -> None:
    bench.buy(account="tiny")
    bench.recommend("BBB", account="tiny")
    bench.next_minute()
    bench.guard("tiny")
    before = rows_of(bench, "tiny")

    bench.buy(account="large")
    bench.run(
        "UPDATE active_positions SET exit_requested = 'operator' WHERE account_name = 'large'"
    )
    bench.broker.at_once["AAA"] = ("101.00", None)
    for _ in range(8):
        bench.next_minute()
        bench.dispatch("large")
        bench.guard("large")

    assert rows_of(bench, "large")["position_history"]
    assert rows_of(bench, "tiny") == before


def test_an_unknown_order_of_one_account_is_none_of_the_others_business(
    bench: TradingBench,
) -> None:
    bench.brokers["tiny"].fail("submit", BrokerOutcomeUnknown("no answer"))
    bench.recommend(account="tiny")
    bench.dispatch("tiny")
    before = rows_of(bench, "tiny")

    for _ in range(3):
        bench.next_minute()
        assert not bench.dispatch("large").blocked
        bench.guard("large")

    assert rows_of(bench, "tiny") == before
    assert before["orders"][0]["status"] == "unknown"


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    with open_exchange(tmp_path, day=DAY) as running:
        yield running


def test_keys_of_the_other_account_are_noticed_before_anything_is_sent(
    bench: TradingBench, exchange: RunningExchange
) -> None:
    exchange.set_clock(bench.clock.now())
    number = bench.recommend()
    swapped = AlpacaBroker(exchange.url, TINY.key_id, TINY.secret_key, LARGE.account_number)
    bench.connect("large", swapped)

    with pytest.raises(AccountMismatch):
        bench.dispatch("large")
    assert exchange.tables()["orders"] == []
    assert bench.recommendation(number)["status"] == "PENDING"


def test_an_unknown_order_is_not_looked_up_with_the_other_accounts_keys(
    bench: TradingBench, exchange: RunningExchange
) -> None:
    exchange.set_clock(bench.clock.now())
    bench.recommend()
    bench.run(_WAITING, account="large")
    bench.connect(
        "large", AlpacaBroker(exchange.url, TINY.key_id, TINY.secret_key, LARGE.account_number)
    )

    with pytest.raises(AccountMismatch):
        bench.guard("large")

    assert bench.order()["status"] == "intended"


@pytest.mark.parametrize("missing", ["KEY_ID", "SECRET_KEY", "ACCOUNT_NUMBER"])
def test_an_account_without_its_keys_or_number_is_refused_by_name(
    bench: TradingBench, missing: str
) -> None:
    variables = {
        "ALPACA_TINY_KEY_ID": "k",
        "ALPACA_TINY_SECRET_KEY": "s",
        "ALPACA_TINY_ACCOUNT_NUMBER": "n",
        "ALPACA_LARGE_KEY_ID": "k",
        "ALPACA_LARGE_SECRET_KEY": "s",
        "ALPACA_LARGE_ACCOUNT_NUMBER": "n",
    }
    del variables[f"ALPACA_LARGE_{missing}"]
    runtime = Runtime(variables, bench.clock)
    assert runtime.broker("tiny")
    with pytest.raises(SettingsInvalid, match=f"ALPACA_LARGE_{missing} is not set"):
        runtime.broker("large")


def test_every_row_of_an_account_says_whose_it_is(bench: TradingBench) -> None:
    found = {row["table_name"]: row for row in bench.rows(_COLUMNS)}
    assert set(found) >= OF_AN_ACCOUNT
    for table, column in found.items():
        assert column["is_nullable"] == "NO", table
        assert column["column_default"] is None, table
        assert column["bound"] or table == "accounts", table


def test_every_pointer_between_rows_of_accounts_carries_the_account(bench: TradingBench) -> None:
    of_account = {row["table_name"] for row in bench.rows(_COLUMNS)}
    pointers = [
        row
        for row in bench.rows(_POINTERS)
        if row["from"] in of_account and row["to"] in of_account and row["to"] != "accounts"
    ]
    assert len(pointers) >= 10
    for pointer in pointers:
        assert "account_name" in pointer["columns"], pointer


def test_an_order_that_points_at_another_accounts_recommendation_is_refused(
    bench: TradingBench,
) -> None:
    bench.recommend(account="tiny")
    with pytest.raises(ConstraintViolated) as refusal:
        bench.run(_WAITING, account="large")
    assert refusal.value.constraint == "orders_recommendation_of_its_account"


@pytest.mark.parametrize(
    "table",
    [
        "active_positions",
        "dispatch_executions",
        "dispatch_recommendations",
        "dispatcher_runs",
        "position_telemetry",
    ],
)
def test_no_row_can_be_moved_to_another_account(bench: TradingBench, table: str) -> None:
    bench.buy()
    bench.next_minute()
    bench.guard()
    with pytest.raises(ConstraintViolated) as refusal:
        bench.run(f"UPDATE {table} SET account_name = 'tiny'")
    assert str(refusal.value.constraint).endswith("_of_its_account")


@pytest.mark.parametrize("table", ["fills", "position_events"])
def test_no_record_is_changed_at_all(bench: TradingBench, table: str) -> None:
    bench.buy()
    bench.next_minute()
    bench.guard()
    with pytest.raises((ConstraintViolated, DatabaseError), match="added and never changed"):
        bench.run(f"UPDATE {table} SET account_name = 'tiny'")


def test_an_order_can_never_be_moved_to_another_account(bench: TradingBench) -> None:
    bench.recommend()
    bench.dispatch()
    with pytest.raises(DatabaseError, match="account, purpose and side never change"):
        bench.run("UPDATE orders SET account_name = 'tiny', quantity = 1, reserved_notional = 200")


def test_a_run_for_an_account_nobody_knows_is_refused(bench: TradingBench) -> None:
    with pytest.raises(InvalidInput, match="account: nobody is unknown; known are large, tiny"):
        bench.dispatch("nobody")
