"""A failed state is said and recorded, whatever else is broken."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest

from functions.run_failure.handler import lambda_handler
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.errors import DatabaseUnavailable, InvalidInput
from ops_pipeline.runtime import log, wiring
from ops_pipeline.runtime.wiring import Runtime
from tests.support.fakes import FixedClock

NOW = datetime(2026, 2, 4, 14, 31, 30, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "tick": "2026-02-04T14:31:00Z",
    "machine": "trading_cycle",
    "state": "Telemetry",
    "error": "MarketDataUnavailable",
    "cause": '{"errorType": "MarketDataUnavailable"}',
}


@pytest.fixture
def clock(database_urls: DatabaseUrls) -> Iterator[FixedClock]:
    clock = FixedClock(NOW)
    runtime = Runtime({"DATABASE_URL": database_urls.writer}, clock, owner="test")
    wiring.use(runtime)
    yield clock
    runtime.database.close()
    wiring.use(None)


def rows(db: Database, sql: str) -> list[dict[str, Any]]:
    with db.transaction() as tx:
        return tx.rows(sql)


def test_a_failed_state_opens_an_alert_that_names_it(db: Database, clock: FixedClock) -> None:
    answer = lambda_handler(EVENT, None)

    assert answer == {"status": "run", "alert_opened": True}
    (alert,) = rows(db, "SELECT * FROM alerts")
    assert (alert["kind"], alert["subject"]) == ("stage_failed", "trading_cycle/Telemetry")
    assert alert["message"] == "Telemetry of trading_cycle failed with MarketDataUnavailable"
    assert alert["details"]["cause"] == EVENT["cause"]
    (run,) = rows(db, "SELECT * FROM pipeline_runs")
    assert (run["stage"], run["scope"], run["status"]) == (
        "run_failure",
        "trading_cycle/Telemetry",
        "succeeded",
    )


def test_a_failure_that_lasts_is_recorded_each_minute_under_one_alert(
    db: Database, clock: FixedClock
) -> None:
    lambda_handler(EVENT, None)
    clock.advance(60)

    answer = lambda_handler({**EVENT, "tick": "2026-02-04T14:32:00Z"}, None)

    assert answer == {"status": "run", "alert_opened": False}
    assert len(rows(db, "SELECT 1 FROM alerts")) == 1
    assert len(rows(db, "SELECT 1 FROM pipeline_runs")) == 2


def test_the_same_failure_told_twice_is_one(db: Database, clock: FixedClock) -> None:
    lambda_handler(EVENT, None)

    assert lambda_handler(EVENT, None) == {"status": "already_done", "alert_opened": False}
    assert len(rows(db, "SELECT 1 FROM pipeline_runs")) == 1


def test_a_cause_of_any_length_is_recorded_shortened(db: Database, clock: FixedClock) -> None:
    lambda_handler({**EVENT, "cause": "x" * 100_000, "error": "E" * 5_000}, None)

    (alert,) = rows(db, "SELECT details FROM alerts")
    assert len(alert["details"]["cause"]) == 2000
    assert len(alert["details"]["error"]) == 200


@pytest.mark.parametrize("odd", ["\x00", "\ud800"], ids=["NUL", "surrogate"])
@pytest.mark.parametrize("field", ["error", "cause", "account"])
def test_a_text_that_postgres_refuses_does_not_lose_the_alert(
    db: Database, clock: FixedClock, field: str, odd: str
) -> None:
    answer = lambda_handler({**EVENT, "account": "large", field: f"a{odd}b"}, None)

    assert answer == {"status": "run", "alert_opened": True}
    (alert,) = rows(db, "SELECT * FROM alerts")
    assert alert["details"][field] == "a\N{REPLACEMENT CHARACTER}b"


@pytest.fixture
def said() -> Iterator[StringIO]:
    """What the process says, log and metrics alike."""
    said = StringIO()
    with log.written_to(said):
        yield said


def test_a_dead_database_hides_neither_the_failure_nor_itself(said: StringIO) -> None:
    nowhere = "postgresql://writer:word@127.0.0.1:1/ops"
    wiring.use(Runtime({"DATABASE_URL": nowhere}, FixedClock(NOW), owner="test"))

    with pytest.raises(DatabaseUnavailable):
        lambda_handler(EVENT, None)

    wiring.use(None)
    failure, metric, itself = map(json.loads, said.getvalue().splitlines())
    assert failure["event"] == "state_failed"
    assert failure["data"]["error"] == "MarketDataUnavailable"
    assert metric["Failed"] == [1.0]
    assert itself["data"]["error"] == "DatabaseUnavailable"


def test_two_accounts_that_fail_in_one_tick_are_two_matters(
    clock: FixedClock, db: Database
) -> None:
    for account in ("large", "tiny"):
        lambda_handler({**EVENT, "account": account}, None)
    with db.transaction() as tx:
        subjects = {row["subject"] for row in tx.rows("SELECT subject FROM alerts")}
        runs = tx.rows("SELECT scope FROM pipeline_runs WHERE stage = 'run_failure'")
    assert len(subjects) == len(runs) == 2


@pytest.mark.parametrize(
    "change", [{"machine": "Trading Cycle"}, {"state": ""}, {"ticker": "AAPL"}, {"tick": None}]
)
def test_an_event_that_is_none_is_refused(change: dict[str, Any], clock: FixedClock) -> None:
    accepted = "Accepted fields: tick, machine, state, account, error, cause"
    with pytest.raises(InvalidInput, match=accepted):
        lambda_handler({**EVENT, **change}, None)
