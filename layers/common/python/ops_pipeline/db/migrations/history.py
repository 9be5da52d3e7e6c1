"""The rows of schema_migrations, and whether a folder's files continue them."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pg8000.exceptions import DatabaseError

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.driver.failures import error_fields
from ops_pipeline.db.migrations.files import MigrationFile, number_of
from ops_pipeline.db.migrations.literals import with_literals
from ops_pipeline.errors import MigrationRefused

# With its schema: a file, a role or a database may set any search_path.
HISTORY = "public.schema_migrations"

_GOLANG_MIGRATE = {"version", "dirty"}
_COLUMNS = ("version", "checksum", "applied_at", "execution_ms")

_CREATE_HISTORY = """
    CREATE TABLE public.schema_migrations (
        version text CONSTRAINT schema_migrations_pkey PRIMARY KEY,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL,
        execution_ms double precision NOT NULL,
        note text
    );
    COMMENT ON TABLE public.schema_migrations IS
        'Which migrations ran; the runner alone writes here.';
    COMMENT ON COLUMN public.schema_migrations.version IS 'The stem of the file.';
    COMMENT ON COLUMN public.schema_migrations.checksum IS 'sha256 of the file as it ran.';
    COMMENT ON COLUMN public.schema_migrations.applied_at IS 'When it ended.';
    COMMENT ON COLUMN public.schema_migrations.execution_ms IS 'How long it took, milliseconds.';
    COMMENT ON COLUMN public.schema_migrations.note IS
        'What was unusual: baseline, out of order, auto-no-transaction; NULL for an ordinary run.';
    GRANT SELECT ON public.schema_migrations TO PUBLIC;
"""
# A table that the first release made.
_ADD_NOTE = """
    ALTER TABLE public.schema_migrations ADD COLUMN note text;
    COMMENT ON COLUMN public.schema_migrations.note IS
        'What was unusual: baseline, out of order, auto-no-transaction; NULL for an ordinary run.';
"""
_HISTORY_COLUMNS = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass(:place) AND attnum > 0 AND NOT attisdropped
"""
# One in another schema of the search path.
_ELSEWHERE = """
    SELECT CAST(to_regclass('schema_migrations') AS text) AS place
    WHERE to_regclass('schema_migrations') IS NOT NULL
        -- Ours may have been made by another run since the look before.
        AND to_regclass('schema_migrations') IS DISTINCT FROM to_regclass(:ours)
"""
_UNSIGNED = "SELECT 1 AS found FROM public.schema_migrations WHERE checksum IS NULL LIMIT 1"
# One value: a thousand rows take the driver longer than the server.
_HISTORY = """
    SELECT CAST(coalesce(json_agg(json_build_array(version, checksum, execution_ms,
        to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), {note})), '[]')
        AS text) AS applied
    FROM public.schema_migrations
"""
_RECORD = """
    INSERT INTO public.schema_migrations (version, checksum, applied_at, execution_ms, note)
    VALUES (:version, :checksum, coalesce(CAST(:applied_at AS timestamptz), clock_timestamp()),
        CAST(:execution_ms AS double precision), :note)
"""


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that ran. `applied_at` is None for one that ran just now."""

    version: str
    checksum: str
    execution_ms: float
    applied_at: datetime | None = None
    note: str | None = None


def columns_of_history(tx: Transaction, place: str = HISTORY) -> set[str]:
    """The columns of the table at `place`, whoever made it; empty if there is none."""
    return {row["attname"] for row in tx.rows(_HISTORY_COLUMNS, place=place)}


def read_history(tx: Transaction, *, create: bool = False) -> dict[str, Applied]:
    """The applied migrations by version; with `create` a missing table is made.

    Raises:
        MigrationRefused: the table is another runner's.
    """
    columns = columns_of_history(tx)
    if not columns:
        for row in tx.rows(_ELSEWHERE, ours=HISTORY):
            raise MigrationRefused(_foreign(f"it is {row['place']}, ours is {HISTORY}"))
        if create:
            tx.script(_CREATE_HISTORY)
        return {}
    lacking = [name for name in _COLUMNS if name not in columns]
    if lacking:
        whose = ", but golang-migrate's columns" if columns == _GOLANG_MIGRATE else ""
        raise MigrationRefused(_foreign(f"it has no {', '.join(lacking)}{whose}"))
    rows = json.loads(tx.rows(_HISTORY.format(note=_note(tx, columns, create)))[0]["applied"])
    if unsigned := [str(version) for version, checksum, *_ in rows if not checksum]:
        raise MigrationRefused(_foreign(f"{', '.join(sorted(unsigned))} has no checksum"))
    return {row[0]: _applied(*row) for row in rows}


def is_ours(tx: Transaction) -> bool:
    """Whether public.schema_migrations is there and the runner's own, rows or none."""
    if not columns_of_history(tx).issuperset(_COLUMNS):
        return False
    return not tx.rows(_UNSIGNED)


def _applied(
    version: str, checksum: str, execution_ms: float, applied_at: str | None, note: str | None
) -> Applied:
    try:
        at = datetime.fromisoformat(applied_at or "").replace(tzinfo=UTC)
    except ValueError:
        raise MigrationRefused(_foreign(f"{version} has no time")) from None
    return Applied(version, checksum, execution_ms, at, note)


def create_history(tx: Transaction) -> None:
    tx.script(_CREATE_HISTORY)


def _note(tx: Transaction, columns: set[str], create: bool) -> str:
    """What stands for a row's note, in a table that may not have the column yet."""
    if "note" in columns:
        return "note"
    if create:
        tx.script(_ADD_NOTE)
    return "NULL"


def _foreign(why: str) -> str:
    return f"schema_migrations is another runner's: {why}; take it over with baseline"


def record_sql(applied: Applied) -> str:
    """The statement that writes a migration's row, to be sent with the end of its file.

    Its values are literals: a file may have deallocated the session's prepared statements.
    """
    return with_literals(
        _RECORD,
        version=applied.version,
        checksum=applied.checksum,
        applied_at=None if applied.applied_at is None else _in_utc(applied.applied_at),
        execution_ms=applied.execution_ms,
        note=applied.note,
    )


def _in_utc(at: datetime) -> str:
    """With its offset, whatever time zone the session is in; without one, it is UTC."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()


def problems_of(
    files: Sequence[MigrationFile],
    history: Mapping[str, Applied],
    allowed: Collection[str] = (),
) -> Iterator[str]:
    """Why the files do not continue the history. A database ahead of the folder is fine.

    Args:
        files: Of the folder, at least one.
        history: The rows of the database.
        allowed: Names of files that may run although newer ones did.
    """
    newest_file = max(file.number for file in files)
    newest_applied = max((number_of(version) or 0 for version in history), default=0)
    versions = {file.version for file in files}
    for file in files:
        row = history.get(file.version)
        if row is None and file.number < newest_applied and file.name not in allowed:
            yield (
                f"{file.name} comes too late: number {newest_applied} is applied already; "
                f"if it may run now, say --allow-out-of-order {file.name}"
            )
        elif row is not None and row.checksum != file.checksum:
            yield f"{file.name} was edited after it was applied on {row.applied_at:%Y-%m-%d %H:%M}"
    for version in sorted(history.keys() - versions):
        number = number_of(version)
        if number is None or number <= newest_file:
            yield f"{version}.sql is applied, but the file is missing"
    yield from _needless(files, history, allowed, newest_applied)


def _needless(
    files: Sequence[MigrationFile],
    history: Mapping[str, Applied],
    allowed: Collection[str],
    newest_applied: int,
) -> Iterator[str]:
    """Permissions for files that need none: most likely a misspelt name."""
    late = {f.name for f in files if f.version not in history and f.number < newest_applied}
    done = {f.name for f in files if f.version in history}
    for name in allowed:
        if name not in late | done:
            yield f"{name} is no file that comes too late: there is nothing to allow"


def position_of(error: DatabaseError) -> int:
    return int(error_fields(error).get("P", 1))


def postgres_message(error: DatabaseError) -> str:
    """Postgres's own message, detail and hint."""
    facts = error_fields(error)
    words = f"{facts.get('M', error)} ({facts.get('C', 'no sqlstate')})"
    for name, key in (("Detail", "D"), ("Hint", "H"), ("Context", "W")):
        if key in facts:
            words += f". {name}: {facts[key]}"
    return words
