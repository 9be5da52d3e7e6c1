"""What the tests of the runner share: folders of files, and questions to a database."""

from collections.abc import Callable
from pathlib import Path

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.migrations.runner import LIMITS
from ops_pipeline.db.migrations.snapshot import snapshot

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
Write = Callable[..., Path]

_APPLIED = "SELECT version FROM schema_migrations ORDER BY version"
_TABLES = """
    SELECT relname FROM pg_class
    WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY relname
"""
_HALVES = "SELECT version, statements_done FROM schema_migrations_half_done ORDER BY version"


def owner_of(urls: DatabaseUrls) -> Database:
    return Database(target_from_url(urls.owner), application_name="tests", limits=LIMITS)


def objects_in(database: Database) -> dict[str, str]:
    """Every object with its definition; schemas and extensions are the database's own."""
    with database.transaction() as tx:
        found = snapshot(tx)
    own = ("schema ", "extension ")
    return {name: text for name, text in found.items() if not name.startswith(own)}


def tables_in(database: Database) -> list[str]:
    """Every table, the runner's own included."""
    with database.transaction() as tx:
        return [str(row["relname"]) for row in tx.rows(_TABLES)]


def applied_in(database: Database) -> list[str]:
    with database.transaction() as tx:
        return [str(row["version"]) for row in tx.rows(_APPLIED)]


def partial_runs_in(database: Database) -> dict[str, int]:
    with database.transaction() as tx:
        return {row["version"]: row["statements_done"] for row in tx.rows(_HALVES)}
