"""Corrects a baseline that was wrong, and records that it was corrected."""

from collections.abc import Sequence

from pg8000.native import identifier

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.db.migrations.history import Applied
from ops_pipeline.db.migrations.literals import with_literals
from ops_pipeline.errors import MigrationRefused

# What begins the note of a row that baseline wrote.
BASELINE = "baseline"
ADOPTED = "schema_migrations_adopted"

_CREATE = """
    CREATE TABLE IF NOT EXISTS public.schema_migrations_corrections (
        corrected_at timestamptz NOT NULL,
        login text NOT NULL,
        what text NOT NULL,
        version text NOT NULL,
        note text
    );
    COMMENT ON TABLE public.schema_migrations_corrections IS
        'Rows of schema_migrations that a correction of its baseline took away.';
"""
_RECORD = """
    INSERT INTO public.schema_migrations_corrections (corrected_at, login, what, version, note)
    VALUES (clock_timestamp(), session_user, :what, :version, :note)
"""
_FORGET = "DELETE FROM public.schema_migrations WHERE version = :version"
_ADOPTED_PLACE = """
    SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname = :name AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_'
    ORDER BY n.nspname <> 'public', n.nspname
"""
_CONSTRAINTS = """
    SELECT conname FROM pg_constraint
    WHERE conrelid = to_regclass(:place) AND contype IN ('p', 'u')
"""


def take_back(tx: Transaction, history: dict[str, Applied], versions: Sequence[str]) -> None:
    """Let files of a baseline count as not applied.

    Raises:
        MigrationRefused: one has no row, or a row of an ordinary run.
    """
    taken = []
    for version in versions:
        row = history.get(version)
        if row is None:
            raise MigrationRefused(f"{version}.sql does not count as applied: nothing to correct")
        if not _of_baseline(row):
            raise MigrationRefused(
                f"{version}.sql ran here on {row.applied_at:%Y-%m-%d %H:%M}; only what a baseline "
                f"wrote can be corrected"
            )
        taken.append(row)
    tx.script(_CREATE)
    for row in taken:
        _record(tx, "--not-applied", row)
        tx.script(with_literals(_FORGET, version=row.version))


def undo(tx: Transaction, history: dict[str, Applied]) -> None:
    """Take the whole baseline back; the other runner's table gets its name again.

    Raises:
        MigrationRefused: files have run since.
    """
    ran = [row.version for row in history.values() if not _of_baseline(row)]
    if ran:
        raise MigrationRefused(
            f"{', '.join(sorted(ran))} ran here: the baseline cannot be undone any more; correct "
            f"single files with baseline --not-applied FILE"
        )
    tx.script(_CREATE)
    for row in history.values():
        _record(tx, "--undo", row)
    tx.script("DROP TABLE public.schema_migrations")
    _bring_back(tx)


def set_aside(tx: Transaction) -> None:
    """Keep the other runner's table, wherever the search path leads, under another name."""
    for row in _constraints(tx, "schema_migrations"):
        old, new = str(row["conname"]), f"{ADOPTED}_{row['conname']}"[:63]
        tx.script(
            f"ALTER TABLE schema_migrations RENAME CONSTRAINT {identifier(old)} "
            f"TO {identifier(new)}"
        )
    tx.script(f"ALTER TABLE schema_migrations RENAME TO {ADOPTED}")


def _bring_back(tx: Transaction) -> None:
    found = tx.one(_ADOPTED_PLACE, name=ADOPTED)
    if found is None:
        return
    place = f"{identifier(found['nspname'])}.{ADOPTED}"
    for row in _constraints(tx, place):
        old = str(row["conname"])
        tx.script(
            f"ALTER TABLE {place} RENAME CONSTRAINT {identifier(old)} "
            f"TO {identifier(old.removeprefix(f'{ADOPTED}_'))}"
        )
    tx.script(f"ALTER TABLE {place} RENAME TO schema_migrations")


def _constraints(tx: Transaction, place: str) -> list[Row]:
    return tx.rows(_CONSTRAINTS, place=place)


def _of_baseline(row: Applied) -> bool:
    return (row.note or "").startswith(BASELINE)


def _record(tx: Transaction, what: str, row: Applied) -> None:
    tx.script(with_literals(_RECORD, what=what, version=row.version, note=row.note))
