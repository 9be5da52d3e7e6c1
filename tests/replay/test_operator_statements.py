"""What the operator asks the query Lambda, on a replayed day, through its handler."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.db_query.handler import lambda_handler
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.wiring import Runtime
from tests.replay.conftest import Day
from tests.support.fakes import FixedClock

CHECKS = {
    "classified": "SELECT count(*) AS n FROM inbound_events_classified;",
    "news": "SELECT count(*) AS n FROM inbound_events_raw WHERE processed_at IS NOT NULL;",
    "bars": "SELECT ticker, count(*) AS n FROM lane_telemetry GROUP BY ticker;",
    "features": "SELECT count(*) AS n FROM lane_features;",
    "surges": "SELECT count(*) AS n FROM lane_features WHERE volume_surge;",
    "watchlist": "SELECT count(*) AS n FROM watchlist_state WHERE watch_score IS NOT NULL",
    "recommendations": "SELECT status, count(*) AS n FROM dispatch_recommendations GROUP BY status",
    "executions": (
        "SELECT account_name, execution_mode, count(*) AS n FROM dispatch_executions "
        "GROUP BY account_name, execution_mode"
    ),
    "positions": "SELECT status, count(*) AS n FROM active_positions GROUP BY status",
    "history": "SELECT win_loss_label, count(*) AS n FROM position_history GROUP BY 1;",
    "runs": "SELECT stage, status, count(*) AS n FROM pipeline_runs GROUP BY stage, status;",
    "dispatches": "SELECT count(*) AS n FROM dispatcher_runs WHERE pulled_count > 0",
}


def ask(sql: str) -> dict[str, Any]:
    answer = lambda_handler({"sql": sql}, None)
    assert answer["statusCode"] == 200, answer
    body: dict[str, Any] = json.loads(answer["body"])
    assert body["success"]
    return body


@pytest.fixture
def day(lively_day: Day) -> Iterator[Day]:
    variables = {"DATABASE_READER_URL": lively_day.urls.reader}
    runtime = Runtime(variables, FixedClock(datetime(2013, 10, 8, tzinfo=UTC)))
    wiring.use(runtime)
    yield lively_day
    wiring.use(None)
    runtime.close()


# The recorded real days have no news: their absence is the truth there.
@pytest.mark.parametrize("check", sorted(set(CHECKS) - {"news", "classified"}))
def test_the_check_by_stage_shows_no_zero(day: Day, check: str) -> None:
    rows = ask(CHECKS[check])["rows"]
    assert rows
    assert all(row["n"] > 0 for row in rows)


def test_the_predecessor_s_columns_still_answer(day: Day) -> None:
    rows = ask(
        "SELECT r.id, r.ticker, r.status, r.failure_reason, e.execution_id, e.entry_price, "
        "p.current_pnl_dollars, h.pnl_dollars, h.exit_reason "
        "FROM dispatch_recommendations r "
        "JOIN dispatch_executions e ON e.recommendation_id = r.id "
        "JOIN active_positions p ON p.execution_id = e.execution_id "
        "JOIN position_history h ON h.execution_id = e.execution_id "
        "WHERE r.account_name = 'large' ORDER BY r.ts DESC LIMIT 5;"
    )["rows"]
    assert rows
    assert {row["status"] for row in rows} == {"EXECUTED"}
