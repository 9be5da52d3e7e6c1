"""The previous release's handlers work on the new schema: it is what a deploy runs into.

Migrations run before any function changes, so for a minute the old code works on the new
schema; see docs/migrations.md. The previous release is the commit before the one that added
the newest migration.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.db import parameters
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.migrations.files import read_folder
from ops_pipeline.db.migrations.runner import Runner
from ops_pipeline.domain.parameters import Parameters
from tests.migrations.folders import MIGRATIONS, owner_of

ROOT = MIGRATIONS.parent
# Those that need neither a broker nor a feed.
STAGES = ("market_clock", "rss_ingest", "classifier", "features", "watchlist", "signals", "report",
          "healthcheck")  # fmt: skip


def git(*words: str) -> bytes:
    # Root may run the tests in a clone that an ordinary user made.
    command = ["git", "-c", "safe.directory=*", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The previous release's source."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the previous release is not here")
    newest = read_folder(MIGRATIONS)[-1].name
    found = git("log", "--diff-filter=A", "--format=%H", "-1", "--", f"migrations/{newest}")
    commit = found.decode().strip()
    parents = git("rev-list", "--parents", "-1", commit).split()[1:] if commit else []
    if not parents:
        pytest.skip(f"the history here does not reach behind {newest}")
    archive = git("archive", parents[0].decode(), "layers", "functions", "infra")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        # The first patches of 3.11 know no filter, and our own archive needs none.
        files.extraction_filter = getattr(tarfile, "data_filter", None)
        files.extractall(tmp_path)  # noqa: S202 - what git archived just here
    return tmp_path


def answers_of(release: Path, urls: DatabaseUrls) -> dict[str, str]:
    source = release / "layers" / "common" / "python"
    told = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "previous_release.py")],
        input=json.dumps({stage: {} for stage in STAGES}),
        capture_output=True,
        text=True,
        check=True,
        cwd=release,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTHONPATH": f"{source}{os.pathsep}{release}",
            "DATABASE_URL": urls.writer,
            "VIX_URL": "http://127.0.0.1:1/vix.csv",
        },
    )
    answers: dict[str, str] = json.loads(told.stdout.strip().splitlines()[-1])
    return answers


@pytest.fixture
def in_force(database_urls: DatabaseUrls) -> DatabaseUrls:
    now = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)
    writer = Database(target_from_url(database_urls.writer), application_name="tests")
    with closing(writer), writer.transaction() as tx:
        parameters.activate(tx, Parameters(), source="default", now=now)
        tx.execute("UPDATE feed_state SET active = false")
    return database_urls


def test_the_previous_release_s_handlers_work_on_the_new_schema(
    previous: Path, in_force: DatabaseUrls
) -> None:
    assert answers_of(previous, in_force) == dict.fromkeys(STAGES, "run")


def test_this_release_s_handlers_work_on_a_schema_that_was_expanded(
    in_force: DatabaseUrls, tmp_path: Path
) -> None:
    folder = tmp_path / "next"
    folder.mkdir()
    for file in read_folder(MIGRATIONS):
        (folder / file.name).write_text(file.text)
    (folder / "9001_expand.sql").write_text(
        "ALTER TABLE orders ADD COLUMN venue text;\n"
        "CREATE TABLE venues (name text PRIMARY KEY);\n"
        "ALTER TABLE orders ADD CONSTRAINT orders_venue_known FOREIGN KEY (venue)\n"
        "    REFERENCES venues (name) NOT VALID;\n"
    )
    with closing(owner_of(in_force)) as database:
        Runner(database, folder).up()
    assert answers_of(ROOT, in_force) == dict.fromkeys(STAGES, "run")


def test_a_schema_that_was_contracted_too_early_is_noticed(in_force: DatabaseUrls) -> None:
    with closing(owner_of(in_force)) as database, database.transaction() as tx:
        tx.execute("ALTER TABLE lane_features RENAME COLUMN sma20 TO sma_20")
    assert "sma20" in answers_of(ROOT, in_force)["signals"]
