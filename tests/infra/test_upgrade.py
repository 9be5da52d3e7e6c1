"""From one release to the next as a deployment goes: template, schema, then functions.

Release N is this checkout; N+1 adds a migration that its code needs. Both run as bundles.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops_pipeline.db.driver.connection import Database
from tests.infra.release import Lambda
from tests.infra.template import migration_version, stages, synthesised
from tests.support.builders_market import rows

NEW = "9999_add_venues"
SQL = """
CREATE TABLE venues (name text PRIMARY KEY);
ALTER TABLE orders ADD COLUMN venue text REFERENCES venues (name);
GRANT SELECT ON venues TO ops_pipeline_writer, ops_pipeline_reader;
"""
ACCOUNT = {"account": "large"}
# All that run in a minute but rss_ingest and market_clock, for which the tick of a recorded
# day is too old.
STAGES: dict[str, dict[str, Any]] = {
    "classifier": {},
    "telemetry": {},
    "features": {},
    "watchlist": {},
    "signals": {},
    "dispatcher": ACCOUNT,
    "position_manager": ACCOUNT,
    "healthcheck": {},
}


@pytest.fixture
def upgraded(deployed: Lambda, checkout: Path, venv: Path, tmp_path: Path) -> Lambda:
    """Release N+1, not deployed yet: its code names the migration that it needs."""
    (checkout / "migrations" / f"{NEW}.sql").write_text(SQL)
    schema = checkout / "layers" / "common" / "python" / "ops_pipeline" / "db" / "schema.py"
    text = schema.read_text()
    schema.write_text(text.replace("VERSIONS = (\n", f'VERSIONS = (\n    "{NEW}",\n'))
    template = synthesised(checkout, venv)
    folder = tmp_path / "next"
    folder.mkdir()
    return replace(deployed, template=template, assembly=checkout / "cdk.out", folder=folder)


def _statuses(release: Lambda, minute: int) -> dict[str, str]:
    """What each stage answers on that minute's tick; an error's name where it raises."""
    told = {}
    for stage, event in STAGES.items():
        [answer] = release.invoke(stage, {"tick": f"2013-10-07T14:{minute}:00Z", **event})
        told[stage] = answer.body["errorType"] if answer.failed else answer.body["status"]
    return told


def _applied(db: Database) -> set[str]:
    return {row["version"] for row in rows(db, "SELECT version FROM schema_migrations")}


RUN = dict.fromkeys(STAGES, "run")


def test_the_old_functions_run_on_the_new_schema_and_the_new_ones_wait_for_it(
    deployed: Lambda, upgraded: Lambda, db: Database
) -> None:
    assert migration_version(upgraded.template) != migration_version(deployed.template)
    # The trigger runs before any function is changed: this is why.
    [refused] = upgraded.invoke("features", {"tick": "2013-10-07T14:30:00Z"})
    assert refused.body["errorType"] == "SchemaBehind"
    assert NEW in refused.body["errorMessage"]

    [migrated] = upgraded.invoke("db_migration", {})
    assert migrated.body["applied"] == [NEW]

    assert _statuses(deployed, 30) == RUN
    assert _statuses(upgraded, 31) == RUN

    # CloudFormation goes back: the older migration finds a database ahead of it, and accepts it.
    [back] = deployed.invoke("db_migration", {})
    assert (back.failed, back.body["applied"]) == (False, [])
    assert NEW in _applied(db)
    [again] = deployed.invoke("features", {"tick": "2013-10-07T14:31:00Z"})
    assert again.body["status"] == "already_done"


def test_a_migration_that_fails_fails_the_deployment_and_leaves_the_old_release_running(
    deployed: Lambda, upgraded: Lambda, db: Database
) -> None:
    asset = stages(upgraded.template)["db_migration"]["Code"]["S3Key"].removesuffix(".zip")
    file = upgraded.assembly / f"asset.{asset}" / "migrations" / f"{NEW}.sql"
    file.write_text(SQL + "SELECT nothing FROM nowhere;\n")
    before = _applied(db)

    [failed] = upgraded.invoke("db_migration", {})

    assert failed.failed
    assert failed.body["errorType"] == "MigrationFailed"
    assert _applied(db) == before
    assert rows(db, "SELECT to_regclass('venues') IS NULL AS gone") == [{"gone": True}]
    [answer] = deployed.invoke("features", {"tick": "2013-10-07T14:30:00Z"})
    assert answer.body["status"] == "run"
