"""The checks before the first minute of `ops up`, against a database and no broker."""

from pathlib import Path

import pytest

from ops_local.database import DatabaseUrls
from ops_local.live import start_checks
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.operating import watching
from tests.support.builders_trading import TradingBench
from tests.support.subscribing import subscribe_wire

KEYS = ("KEY_ID", "SECRET_KEY", "ACCOUNT_NUMBER")
NOWHERE = "http://127.0.0.1:1"


def found(
    bench: TradingBench, urls: DatabaseUrls, folder: Path, *accounts: str
) -> dict[str, start_checks.StartCheck]:
    keys = {f"ALPACA_{name}_{key}": "x" for name in accounts for key in KEYS}
    variables = {**urls.variables(), **keys, "ALPACA_TRADING_URL": NOWHERE}
    made = Runtime(variables, bench.clock)
    checks = {check.subject: check for check in start_checks.run_all(made, folder)}
    made.close()
    return checks


@pytest.fixture
def in_force(bench: TradingBench) -> TradingBench:
    bench.dispatch()
    return bench


def test_each_account_is_told_what_it_lacks(
    in_force: TradingBench, database_urls: DatabaseUrls, tmp_path: Path
) -> None:
    checks = found(in_force, database_urls, tmp_path, "LARGE")
    # As of the tests' own server.
    assert checks["database"].found == "fsync and full_page_writes off: a power cut may lose orders"
    assert checks["market data"].verdict == "good"
    assert (checks["large"].verdict, checks["tiny"].verdict) == ("failed", "finding")
    assert "ALPACA_TINY_KEY_ID" in checks["tiny"].found
    assert checks["accounts"].found == "none can trade now"


def test_without_any_account_s_keys_nothing_could_work(
    in_force: TradingBench, database_urls: DatabaseUrls, tmp_path: Path
) -> None:
    checks = found(in_force, database_urls, tmp_path, "HUGE")
    assert checks["market data"].verdict == "fatal"
    assert "no account is named huge; there are large, tiny" in checks["ALPACA_HUGE_KEY_ID"].found


def test_parameters_out_of_bounds_are_told_and_stop_no_guard(
    in_force: TradingBench, database_urls: DatabaseUrls, tmp_path: Path
) -> None:
    in_force.run(
        "UPDATE parameter_versions SET "
        "parameters = jsonb_set(parameters, '{exits,take_profit}', '-5')"
    )
    check = found(in_force, database_urls, tmp_path, "LARGE")["database"]
    assert check.verdict == "failed"
    assert "exits.take_profit is -5" in check.found
    assert "entries are refused" in check.found


def test_news_and_what_is_watched_are_told_before_the_first_minute(
    in_force: TradingBench, database_urls: DatabaseUrls, tmp_path: Path
) -> None:
    with in_force.db.transaction() as tx:
        watching.watch_only(tx, ["AAPL", "ZZX", "ZZY"])
    checks = found(in_force, database_urls, tmp_path, "LARGE")
    assert (checks["news"].verdict, checks["tickers"].verdict) == ("finding", "finding")
    assert "no feed is on" in checks["news"].found
    assert "no news finds ZZX, ZZY, 2 of 3 watched" in checks["tickers"].found

    subscribe_wire(in_force.db)
    with in_force.db.transaction() as tx:
        watching.watch_only(tx, ["AAPL"])
    checks = found(in_force, database_urls, tmp_path, "LARGE")
    assert (checks["news"].verdict, checks["tickers"].verdict) == ("good", "good")

    with in_force.db.transaction() as tx:
        watching.watch_only(tx, [])
    assert found(in_force, database_urls, tmp_path, "LARGE")["tickers"].verdict == "failed"
