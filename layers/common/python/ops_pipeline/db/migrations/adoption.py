"""Adopts a database whose migrations another runner recorded, or nobody did.

Recorded versions are matched to the folder's files, which get their checksums as they are
now; the other runner's table is kept as schema_migrations_adopted. Whether the schema is
what those files make is for `verify` to say: a row is no proof.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pg8000.native import identifier

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.migrations.files import MigrationFile, number_of
from ops_pipeline.db.migrations.history import (
    Applied,
    columns_of_history,
    create_history,
    record_sql,
)
from ops_pipeline.errors import MigrationRefused

ADOPTED = "schema_migrations_adopted"

# What runners name the column that says what ran, and the one that says when.
_VERSION_COLUMNS = ("version", "filename", "migration", "name", "id")
_TIME_COLUMNS = ("applied_at", "executed_at", "installed_on", "run_on", "created_at", "applied")
# Ours first, then one in the login's own search path.
_REACH = """
    SELECT set_config(
        'search_path', concat_ws(', ', 'public', nullif(current_setting('search_path'), '')), true
    )
"""
_ROWS = "SELECT to_jsonb(recorded) AS recorded FROM schema_migrations AS recorded"
_CONSTRAINTS = """
    SELECT conname FROM pg_constraint
    WHERE conrelid = to_regclass('schema_migrations') AND contype IN ('p', 'u')
"""


@dataclass(frozen=True, slots=True)
class Adoption:
    """What the operator knows and the database does not tell.

    Attributes:
        through: This file and those before it are applied. For a database without a history.
        not_applied: Files that did not run, whatever was recorded.
        ignore: Recorded versions without a file.
    """

    through: str | None = None
    not_applied: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Recorded:
    version: str
    at: datetime | None


def adopt(tx: Transaction, files: Sequence[MigrationFile], wanted: Adoption) -> list[Applied]:
    """Write our own history; see `Runner.baseline`."""
    _require_known(files, (*wanted.not_applied, *([wanted.through] if wanted.through else ())))
    tx.rows(_REACH)
    columns = columns_of_history(tx, "schema_migrations")
    recorded = _read(tx, columns) if columns else []
    if recorded:
        if wanted.through is not None:
            raise MigrationRefused("this database has a history: --through is for one without")
        rows = _matched(files, recorded, wanted)
    else:
        rows = _counted(files, wanted)
    if columns:
        _set_aside(tx)
    create_history(tx)
    kept = [row for row in rows if f"{row.version}.sql" not in wanted.not_applied]
    for row in kept:
        tx.script(record_sql(row))
    return sorted(kept, key=lambda row: row.version)


def _require_known(files: Iterable[MigrationFile], names: Iterable[str]) -> None:
    known = {file.name for file in files}
    if unknown := [name for name in names if name not in known]:
        raise MigrationRefused(f"the folder holds no {', '.join(unknown)}")


def _read(tx: Transaction, columns: set[str]) -> list[_Recorded]:
    named = next((name for name in _VERSION_COLUMNS if name in columns), None)
    if named is None:
        raise MigrationRefused(f"schema_migrations has none of {', '.join(_VERSION_COLUMNS)}")
    rows = [row["recorded"] for row in tx.rows(_ROWS)]
    ours = {"version", "checksum", "applied_at", "execution_ms"} <= columns
    if rows and ours and all(row["checksum"] for row in rows):
        raise MigrationRefused("schema_migrations is ours already: there is nothing to adopt")
    if any(row.get("dirty") for row in rows):
        raise MigrationRefused("another runner left a migration half done (dirty): repair it first")
    return [_Recorded(str(row[named]).strip(), _time_of(row)) for row in rows]


def _time_of(row: dict[str, Any]) -> datetime | None:
    for name in _TIME_COLUMNS:
        if isinstance(row.get(name), str):
            try:
                return datetime.fromisoformat(row[name])
            except ValueError:
                continue
    return None


def _matched(
    files: Sequence[MigrationFile], recorded: Sequence[_Recorded], wanted: Adoption
) -> list[Applied]:
    """Our rows for the recorded versions, under the files' names."""
    newest = max(file.number for file in files)
    rows: dict[str, Applied] = {}
    unmatched = []
    for each in recorded:
        file = _file_of(files, each.version)
        number = number_of(each.version)
        if file is not None:
            rows[file.version] = _row(file, f"baseline: recorded as {each.version!r}", each.at)
        elif each.version in wanted.ignore:
            continue
        elif number is not None and number > newest:
            # A database ahead of the folder stays ahead.
            note = f"baseline: recorded as {each.version!r}, without its file"
            rows[each.version] = Applied(each.version, "unknown", 0.0, each.at, note)
        else:
            unmatched.append(each.version)
    if unmatched:
        raise MigrationRefused(
            f"recorded, but no file of the folder: {', '.join(sorted(unmatched))}; name each with "
            f"--ignore if it is none"
        )
    return list(rows.values())


def _file_of(files: Iterable[MigrationFile], version: str) -> MigrationFile | None:
    """The file meant by `1002_add_x`, `1002_add_x.sql`, `1002` or `v1002`."""
    for file in files:
        if version in (file.version, file.name):
            return file
    numbered = re.fullmatch(r"[vV]?0*(\d+)", version)
    if numbered is None:
        return None
    return next((file for file in files if file.number == int(numbered[1])), None)


def _counted(files: Sequence[MigrationFile], wanted: Adoption) -> list[Applied]:
    if wanted.through is None:
        raise MigrationRefused(
            "this database has no history: say with --through FILE which file its schema is at"
        )
    last = next(file.number for file in files if file.name == wanted.through)
    note = f"baseline: through {wanted.through}"
    return [_row(file, note, None) for file in files if file.number <= last]


def _row(file: MigrationFile, note: str, at: datetime | None) -> Applied:
    return Applied(file.version, file.checksum, 0.0, at, note)


def _set_aside(tx: Transaction) -> None:
    """Keep the other runner's table as evidence, under another name."""
    for row in tx.rows(_CONSTRAINTS):
        old, new = row["conname"], f"{ADOPTED}_{row['conname']}"
        tx.script(
            f"ALTER TABLE schema_migrations RENAME CONSTRAINT {identifier(old)} "
            f"TO {identifier(new[:63])}"
        )
    tx.script(f"ALTER TABLE schema_migrations RENAME TO {ADOPTED}")
