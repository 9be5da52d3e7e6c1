"""`ops check`: each thing is tried by itself, here and in a stack; what is bad says what to do."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops_local.checking import asking
from ops_local.checking.asking import tried
from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.deployment.findings import CheckResult
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.operations.manifest import stage_named
from ops_pipeline.domain.regime import RegimeSource
from ops_pipeline.ports import VixReading
from ops_pipeline.runtime.wiring import Runtime
from tests.contract.paper_street import LARGE, ask
from tests.support.builders_market import rows
from tests.support.fakes import FixedClock
from tests.support.lambda_endpoint import STACK, lambda_endpoint
from tests.support.stand_ins import NOW, exchange_at_tick, in_process, leading_to, prepared

Check = Callable[..., tuple[int, dict[str, dict[str, str]]]]


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    with exchange_at_tick(tmp_path) as running:
        yield running


@pytest.fixture
def variables(
    exchange: RunningExchange, database_urls: DatabaseUrls, db: Database, tmp_path: Path
) -> dict[str, str]:
    prepared(db, "AAA")
    return {**leading_to(exchange, database_urls), "OPS_HOME": str(tmp_path), "USER": "ann"}


@pytest.fixture(params=["here", "in a stack"])
def ops(
    request: pytest.FixtureRequest, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The command line at the recording's minute, here or speaking to a stack."""
    clock = FixedClock(NOW)
    if request.param == "here":
        yield lambda *words: main(words, variables, clock)
        return
    with in_process(Runtime(variables, clock)), lambda_endpoint() as endpoint:
        for name, value in endpoint.items():
            monkeypatch.setenv(name, value)
        here = {"OPS_HOME": variables["OPS_HOME"], "USER": "ann"}
        yield lambda *words: main((*words, "--stack", STACK), here, clock)


@pytest.fixture
def check(ops: Any, capsys: pytest.CaptureFixture[str]) -> Check:
    def run(*words: str) -> tuple[int, dict[str, dict[str, str]]]:
        code = ops("check", "--json", *words)
        checks = json.loads(capsys.readouterr().out)["checks"]
        return code, {each["subject"]: each for each in checks}

    return run


def verdicts(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {subject: each["verdict"] for subject, each in found.items()}


def test_each_thing_is_tried_and_said_to_be_good_or_bad(check: Check) -> None:
    code, found = check()

    bad = {subject for subject, verdict in verdicts(found).items() if verdict == "bad"}
    # The market's publisher is nobody here, and no feed is on.
    assert bad == {"vix", "feeds"}
    assert code == 1
    assert {
        *("disk", "database", "logins", "clock", "calendar", "model"),
        *(f"login {group}" for group in ("news", "market", "trading", "control", "reader")),
        *(f"{name} {what}" for name in ("large", "tiny") for what in ("keys", "status", "options")),
        *("market data iex", "market data sip"),
    } <= set(found)
    assert found["market data sip"]["verdict"] == "note"
    assert "--starter" in found["feeds"]["todo"]


def test_one_account_s_wrong_keys_are_bad_and_the_others_are_good(
    check: Check, variables: dict[str, str]
) -> None:
    for name in ("KEY_ID", "SECRET_KEY"):
        variables[f"ALPACA_TINY_{name}"] = variables[f"ALPACA_LARGE_{name}"]

    _, found = check()

    assert found["tiny keys"]["verdict"] == "bad"
    assert "ops accounts bind --account tiny" in found["tiny keys"]["todo"]
    assert found["large keys"]["verdict"] == "good"
    assert found["clock"]["verdict"] == "good"


def test_what_blocks_entries_is_bad_and_says_what_to_do(
    check: Check, exchange: RunningExchange, db: Database
) -> None:
    exchange.set_account(LARGE.name, status="ONBOARDING")
    with db.transaction() as tx:
        tx.execute("UPDATE accounts SET operator_halt = 'storm' WHERE account_name = 'tiny'")

    _, found = check()

    assert found["large status"]["found"] == "no orders: ONBOARDING"
    assert "open Alpaca's dashboard" in found["large status"]["todo"]
    assert found["tiny status"]["found"] == "entries are halted by operator: storm"
    assert found["tiny status"]["todo"] == "`ops resume --account tiny`"


def test_a_broker_that_is_away_is_bad_for_its_own_checks_alone(
    check: Check, exchange: RunningExchange
) -> None:
    exchange.stop()

    code, found = check()

    bad = {subject for subject, verdict in verdicts(found).items() if verdict == "bad"}
    assert code == 1
    assert bad == {
        *("large keys", "tiny keys", "clock", "calendar", "market data iex"),
        *("vix", "feeds"),
    }
    assert found["model"]["verdict"] == "good"


class Published:
    """A source of the volatility index that has each session's close."""

    source: RegimeSource = "vix"

    def readings(self, last: Session) -> list[VixReading]:
        return [VixReading(last.day, 17.2)]


def _broken() -> Published:
    raise RuntimeError("odd")


def test_one_source_of_vix_that_breaks_keeps_no_other_from_answering(
    variables: dict[str, str],
) -> None:
    runtime = Runtime(variables, FixedClock(NOW))
    with closing(runtime), runtime.serving("control"):
        checks = replace(runtime.checks, vix=(_broken, Published))
        found = checks.run("vix", None)["checks"]
    assert [(it["verdict"], it["found"]) for it in found] == [
        ("note", "RuntimeError: odd"),
        ("good", "17.2 on 2013-10-04, vix"),
    ]


def test_it_changes_nothing(check: Check, exchange: RunningExchange, db: Database) -> None:
    counted = "SELECT (SELECT count(*) FROM pipeline_runs) + (SELECT count(*) FROM alerts)" \
        " + (SELECT count(*) FROM operator_actions) AS n"  # fmt: skip
    [before] = rows(db, counted)
    check()
    assert rows(db, counted) == [before]
    assert ask(exchange, "GET", "/v2/orders?status=all") == (200, [])


def test_a_clock_that_is_off_is_bad(
    variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    ahead = FixedClock(NOW)
    ahead.advance(30)
    assert main(["check", "--json"], variables, ahead) == 1
    found = {it["subject"]: it for it in json.loads(capsys.readouterr().out)["checks"]}
    assert found["clock"]["verdict"] == "bad"
    assert found["clock"]["found"] == "30.0 s ahead of the broker's"


def test_without_a_database_that_is_what_is_bad_and_nothing_breaks(
    variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = {
        **variables,
        "DATABASE_READER_URL": "",
        "DATABASE_URL": "postgres://a:b@127.0.0.1:1/c",
    }
    nowhere = {name: value for name, value in nowhere.items() if "DATABASE_" not in name or value}
    assert main(["check"], nowhere, FixedClock(NOW)) == 1
    told = capsys.readouterr()
    assert "BAD    database: " in told.out
    assert "Traceback" not in told.out + told.err


def raising(error: BaseException) -> Callable[[], list[CheckResult]]:
    def work() -> list[CheckResult]:
        raise error

    return work


@pytest.mark.parametrize(
    "error", [ValueError("odd"), KeyError("checks"), MemoryError(), RecursionError()]
)
def test_whatever_a_check_raises_is_bad_in_words(error: Exception) -> None:
    [found] = tried("thing", raising(error))
    assert (found.verdict, found.subject) == ("bad", "thing")
    assert type(error).__name__ in found.found


def test_a_check_that_does_not_end_is_bad_after_its_time() -> None:
    def work() -> list[CheckResult]:
        time.sleep(5)
        return []

    [found] = tried("thing", work, limit_s=0.05)
    assert found.found == "TimeoutError: no end within 0.05 s"


def test_its_time_is_longer_than_that_of_each_function() -> None:
    asked = ("control", "classifier", "rss_ingest", "signals", "market_clock", "db_query")
    assert max(stage_named(stage).timeout_s for stage in asked) < asking.LIMIT_S


def test_an_order_is_tried_and_its_transcript_is_kept(
    ops: Any, exchange: RunningExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kept.json"
    words = ("check", "--order", "large", "--ticker", "BBB", "--yes", "--transcript", str(file))
    assert ops(*words) == 0
    told = capsys.readouterr()
    assert "ok     cancel: canceled" in told.out
    kept = file.read_text()
    assert json.loads(kept)["state"] == "passed"
    assert not [text for text in (LARGE.key_id, LARGE.secret_key, "PA-LARGE") if text in kept]
    [there] = ask(exchange, "GET", "/v2/orders?status=all")[1]
    assert there["status"] == "canceled"


def test_an_order_that_is_refused_is_said_so(
    ops: Any, exchange: RunningExchange, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with db.transaction() as tx:
        tx.execute("UPDATE accounts SET execution_mode = 'SIMULATED' WHERE account_name = 'large'")
    assert ops("check", "--order", "large", "--ticker", "BBB", "--yes") == 1
    assert "large only simulates" in capsys.readouterr().err
    assert ask(exchange, "GET", "/v2/orders?status=all") == (200, [])


def test_nobody_who_sits_there_is_passed_over(
    ops: Any, exchange: RunningExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return "n\n"

    monkeypatch.setattr("sys.stdin", Terminal())
    assert ops("check", "--order", "large", "--ticker", "BBB") == 1
    assert ask(exchange, "GET", "/v2/orders?status=all") == (200, [])
