"""After kill -9 neither `ops status` nor `ops doctor` is green; a replayed day owes nothing."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.market import minute_of

_RAN = """
INSERT INTO pipeline_runs
    (run_id, stage, tick, scope, attempt, status, owner, lease_expires_at, started_at, finished_at,
     counts)
VALUES (CAST(md5(:stage) AS uuid), :stage, :tick, '*', 1, 'succeeded', :owner, :tick, :tick, :tick,
        '{}')
"""
_ALWAYS = ("rss_ingest", "classifier", "healthcheck")


def ran(db: Database, at: datetime, owner: str) -> None:
    with db.transaction() as tx:
        for stage in _ALWAYS:
            tx.execute(_RAN, stage=stage, tick=at, owner=f"{owner}")


def overdue(
    verb: str, urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> tuple[int, set[str]]:
    code = main([verb, "--json", "--database-url", urls.reader], {"OPS_HOME": "no-such-home"})
    rows = json.loads(capsys.readouterr().out)["Overdue runs"]
    return code, {row["stage"] for row in rows}


@pytest.mark.parametrize("verb", ["status", "doctor"])
def test_a_pipeline_that_was_killed_hours_ago_is_not_green(
    database_urls: DatabaseUrls,
    db: Database,
    verb: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran(db, minute_of(WallClock().now()) - timedelta(hours=3), "local/news_cycle")
    code, stages = overdue(verb, database_urls, capsys)
    assert code == 1
    assert stages >= set(_ALWAYS)


def test_one_that_runs_is(
    database_urls: DatabaseUrls, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(db, minute_of(WallClock().now()) - timedelta(minutes=1), "local/news_cycle")
    assert overdue("status", database_urls, capsys) == (0, set())


def test_a_replayed_day_of_long_ago_owes_nothing_now(
    database_urls: DatabaseUrls, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(db, datetime(2026, 2, 4, 17, tzinfo=UTC), "local")
    assert overdue("status", database_urls, capsys) == (0, set())
