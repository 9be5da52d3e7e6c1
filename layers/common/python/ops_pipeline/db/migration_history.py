"""What a database says of its migrations: the rows of schema_migrations, and Postgres's errors."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pg8000.exceptions import DatabaseError

from ops_pipeline.db.connection import Transaction
from ops_pipeline.db.migration_files import MigrationFile, number_of
from ops_pipeline.errors import MigrationRefused

_COLUMNS = ("version", "checksum", "applied_at", "execution_ms")

_CREATE_HISTORY = """
    CREATE TABLE schema_migrations (
        version text PRIMARY KEY,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL,
        execution_ms double precision NOT NULL
    );
    COMMENT ON TABLE schema_migrations IS 'Which migrations ran; the runner alone writes here.';
    COMMENT ON COLUMN schema_migrations.version IS 'The stem of the file.';
    COMMENT ON COLUMN schema_migrations.checksum IS 'sha256 of the file as it ran.';
    COMMENT ON COLUMN schema_migrations.applied_at IS 'When it ended.';
    COMMENT ON COLUMN schema_migrations.execution_ms IS 'How long it took, milliseconds.';
    GRANT SELECT ON schema_migrations TO PUBLIC;
"""
_HISTORY_COLUMNS = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass('schema_migrations') AND attnum > 0 AND NOT attisdropped
"""
_HISTORY = "SELECT version, checksum, applied_at, execution_ms FROM schema_migrations"
_VERSIONS = "SELECT version FROM schema_migrations"
_RECORD = """
    INSERT INTO schema_migrations (version, checksum, applied_at, execution_ms)
    VALUES (:version, :checksum, clock_timestamp(), CAST(:execution_ms AS double precision))
"""


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that ran. `applied_at` is None for one that ran just now."""

    version: str
    checksum: str
    execution_ms: float
    applied_at: datetime | None = None


def read_history(tx: Transaction, *, create: bool = False) -> dict[str, Applied]:
    """The applied migrations by version; none where the table is missing, unless it is made.

    Raises:
        MigrationRefused: the table is another runner's.
    """
    columns = {row["attname"] for row in tx.rows(_HISTORY_COLUMNS)}
    if not columns and create:
        tx.script(_CREATE_HISTORY)
    lacking = [name for name in _COLUMNS if columns and name not in columns]
    if lacking:
        raise MigrationRefused(
            f"schema_migrations is another runner's: it has no {', '.join(lacking)}"
        )
    rows = tx.rows(_HISTORY) if columns else []
    return {row["version"]: Applied(**row) for row in rows}


def applied_versions(tx: Transaction) -> set[str]:
    """The applied versions, whoever keeps the table."""
    known = tx.rows(_VERSIONS) if tx.rows(_HISTORY_COLUMNS) else []
    return {row["version"] for row in known}


def record(tx: Transaction, applied: Applied) -> None:
    """Write the row of a migration that just ran."""
    tx.execute(
        _RECORD,
        version=applied.version,
        checksum=applied.checksum,
        execution_ms=applied.execution_ms,
    )


def problems_of(files: Sequence[MigrationFile], history: Mapping[str, Applied]) -> Iterator[str]:
    """Why the files do not continue the history. A database ahead of the folder is fine."""
    newest_file = max(file.number for file in files)
    newest_applied = max((number_of(version) or 0 for version in history), default=0)
    versions = {file.version for file in files}
    for file in files:
        row = history.get(file.version)
        if row is None and file.number < newest_applied:
            yield f"{file.name} comes too late: number {newest_applied} is applied already"
        elif row is not None and row.checksum != file.checksum:
            yield f"{file.name} was edited after it was applied on {row.applied_at:%Y-%m-%d %H:%M}"
    for version in history:
        number = number_of(version)
        if version not in versions and (number is None or number <= newest_file):
            yield f"{version}.sql is applied, but the file is missing"


def _facts(error: DatabaseError) -> Mapping[str, str]:
    return error.args[0] if error.args and isinstance(error.args[0], dict) else {}


def position_of(error: DatabaseError) -> int:
    return int(_facts(error).get("P", 1))


def in_words(error: DatabaseError) -> str:
    """Postgres's own message, detail and hint."""
    facts = _facts(error)
    words = f"{facts.get('M', error)} ({facts.get('C', 'no sqlstate')})"
    for name, key in (("Detail", "D"), ("Hint", "H"), ("Context", "W")):
        if key in facts:
            words += f". {name}: {facts[key]}"
    return words
