"""Backs a database up while it is being written to: one snapshot, streamed into one file."""

from contextlib import closing
from pathlib import Path

from pg8000.native import identifier

from ops_local.backups import archive, programs
from ops_local.backups.archive import Manifest
from ops_pipeline.db import schema
from ops_pipeline.db.driver.connection import Database, Transaction, target_from_url
from ops_pipeline.ports import Clock

_TABLES = """
SELECT CAST(c.relname AS text) AS name FROM pg_class AS c
WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind = 'r'
ORDER BY c.relname
"""
_APPLIED = "SELECT CAST(version AS text) AS version FROM schema_migrations ORDER BY version"
_SERVER = "SELECT current_setting('server_version') AS version, current_database() AS name"


def back_up(owner_url: str, file: Path, *, data: Path, clock: Clock) -> Manifest:
    """Write a backup of all that is committed at this moment.

    Args:
        owner_url: The schema owner's login, which may read every table.
        data: The server's data folder, whose version the programs must have.

    Raises:
        InvalidInput: there is such a file.
        SchemaBehind: the database lacks migrations of this code.
        StageFailed: pg_dump failed.
    """
    target = target_from_url(owner_url)
    database = Database(target, application_name="ops-backup")
    with archive.new_file(file) as out, closing(database), database.transaction() as tx:
        snapshot = _snapshot(tx)
        schema.require_current(tx)
        manifest = contents(tx, clock)
        with programs.dumping(target, snapshot, data) as dump:
            return archive.write(out, dump, manifest)


def contents(tx: Transaction, clock: Clock) -> Manifest:
    """What the database holds in this snapshot."""
    server = tx.rows(_SERVER)[0]
    return Manifest(
        taken_at=clock.now(),
        database=server["name"],
        postgres=server["version"],
        migrations=applied(tx),
        rows=row_counts(tx),
    )


def applied(tx: Transaction) -> tuple[str, ...]:
    """The applied migrations by version."""
    return tuple(row["version"] for row in tx.rows(_APPLIED))


def row_counts(tx: Transaction) -> dict[str, int]:
    """How many rows each table has."""
    names = [row["name"] for row in tx.rows(_TABLES)]
    return {
        name: tx.rows(f"SELECT count(*) AS n FROM {identifier(name)}")[0]["n"] for name in names
    }


def _snapshot(tx: Transaction) -> str:
    """The name of this unit of work's snapshot, which pg_dump then reads in as well."""
    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    # It waits here, however long the dump takes.
    tx.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    tx.execute("SET LOCAL statement_timeout = 0")
    return str(tx.rows("SELECT pg_export_snapshot() AS name")[0]["name"])
