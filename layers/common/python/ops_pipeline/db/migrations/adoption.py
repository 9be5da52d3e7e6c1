"""Adopts a database whose migrations another runner recorded, or nobody did.

Recorded versions are matched to the folder's files, which get their checksums as they are
now; the other runner's table is kept as schema_migrations_adopted. Whether the schema is
what those files make is for `verify` to say: a row is no proof.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.migrations import corrections
from ops_pipeline.db.migrations.files import MigrationFile, number_of
from ops_pipeline.db.migrations.history import (
    Applied,
    columns_of_history,
    create_history,
    is_ours,
    read_history,
    record_sql,
)
from ops_pipeline.db.migrations.other_runners import foreign_histories
from ops_pipeline.errors import MigrationRefused

# What runners name the column that says what ran, and the one that says when.
_VERSION_COLUMNS = ("version", "filename", "migration", "name", "id")
_TIME_COLUMNS = ("applied_at", "executed_at", "installed_on", "run_on", "created_at", "applied")
# Columns that are false in the row of a migration that failed.
_SUCCESS_COLUMNS = ("success", "is_applied", "applied")
# Ours first, then one in the login's own search path.
_REACH = """
    SELECT set_config(
        'search_path', concat_ws(', ', 'public', nullif(current_setting('search_path'), '')), true
    )
"""
_ROWS = "SELECT to_jsonb(recorded) AS recorded FROM schema_migrations AS recorded"
_REPAIR = "repair it with that runner first"


@dataclass(frozen=True, slots=True)
class Adoption:
    """What the operator knows and the database does not tell.

    Attributes:
        through: This file and those before it are applied. For a database without a history
            that we can read.
        not_applied: Files that did not run, whatever was recorded; also of an earlier baseline.
        ignore: Recorded versions without a file.
        nothing_applied: No file ran, although the database holds tables.
        undo: Take an earlier baseline back.
    """

    through: str | None = None
    not_applied: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    nothing_applied: bool = False
    undo: bool = False


@dataclass(frozen=True, slots=True)
class _Recorded:
    version: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class _History:
    """Another runner's table. `means_all_before`: its one row stands for the files before it."""

    rows: list[_Recorded]
    means_all_before: bool


def adopt(tx: Transaction, files: Sequence[MigrationFile], wanted: Adoption) -> list[Applied]:
    """Write our own history, or correct it; see `Runner.baseline`."""
    _require_known(files, (*wanted.not_applied, *([wanted.through] if wanted.through else ())))
    tx.rows(_REACH)
    columns = columns_of_history(tx, "schema_migrations")
    ours = is_ours(tx)
    if ours and (wanted.undo or read_history(tx)):
        return _correct(tx, wanted)
    if wanted.undo:
        raise MigrationRefused("there is no baseline to undo")
    rows = _rows(tx, files, set() if ours else columns, wanted)
    if columns and not ours:
        corrections.set_aside(tx)
    if not ours:
        create_history(tx)
    kept = [row for row in rows if f"{row.version}.sql" not in wanted.not_applied]
    for row in kept:
        tx.script(record_sql(row))
    return sorted(kept, key=lambda row: row.version)


def _correct(tx: Transaction, wanted: Adoption) -> list[Applied]:
    """Correct an earlier baseline; what is left of it."""
    history = read_history(tx)
    if wanted.undo:
        corrections.undo(tx, history)
        return []
    if wanted.not_applied and not (wanted.through or wanted.ignore or wanted.nothing_applied):
        versions = {name.removesuffix(".sql") for name in wanted.not_applied}
        corrections.take_back(tx, history, sorted(versions))
        left = (row for row in history.values() if row.version not in versions)
        return sorted(left, key=lambda row: row.version)
    raise MigrationRefused(
        "schema_migrations is ours already: there is nothing to take over; an earlier baseline is "
        "corrected with --not-applied FILE or --undo"
    )


def _rows(
    tx: Transaction, files: Sequence[MigrationFile], columns: set[str], wanted: Adoption
) -> list[Applied]:
    """Our rows for what was recorded, or for what the operator says."""
    if wanted.nothing_applied:
        if wanted.through is not None:
            raise MigrationRefused("--through and --nothing-applied contradict each other")
        return []
    if wanted.through is not None:
        return _through(files, wanted.through, _readable(tx, columns))
    if foreign := foreign_histories(tx):
        raise MigrationRefused("; ".join(map(str, foreign)))
    history = _read(tx, columns) if columns else None
    if history is None or not history.rows:
        raise MigrationRefused(
            "this database has no history: say with --through FILE which file its schema is at, "
            "or --nothing-applied"
        )
    if history.means_all_before:
        return _all_before(files, history.rows[0])
    return _matched(files, history.rows, wanted)


def _require_known(files: Iterable[MigrationFile], names: Iterable[str]) -> None:
    known = {file.name for file in files}
    if unknown := [name for name in names if name not in known]:
        raise MigrationRefused(f"the folder holds no {', '.join(unknown)}")


def _readable(tx: Transaction, columns: set[str]) -> _History | None:
    """The other runner's rows where we know how to read them; only they contradict --through."""
    if not columns or foreign_histories(tx):
        return None
    return _read(tx, columns)


def _read(tx: Transaction, columns: set[str]) -> _History:
    named = next((name for name in _VERSION_COLUMNS if name in columns), None)
    if named is None:
        raise MigrationRefused(f"schema_migrations has none of {', '.join(_VERSION_COLUMNS)}")
    rows = [row["recorded"] for row in tx.rows(_ROWS)]
    for row in rows:
        if row.get("dirty"):
            raise MigrationRefused(
                f"another runner left migration {row[named]} half done (dirty): {_REPAIR}"
            )
        if any(row.get(name) is False for name in _SUCCESS_COLUMNS):
            raise MigrationRefused(f"another runner's migration {row[named]} failed: {_REPAIR}")
    found = [_Recorded(str(row[named]).strip(), _time_of(row)) for row in rows]
    # golang-migrate keeps the newest version alone; -1 stands for none.
    single = "dirty" in columns and len(rows) == 1
    return _History([row for row in found if row.version != "-1"] if single else found, single)


def _time_of(row: dict[str, Any]) -> datetime | None:
    for name in _TIME_COLUMNS:
        if isinstance(row.get(name), str):
            try:
                at = datetime.fromisoformat(row[name])
            except ValueError:
                continue
            return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None


def _all_before(files: Sequence[MigrationFile], recorded: _Recorded) -> list[Applied]:
    """golang-migrate's one row: that file and all before it are applied."""
    number = number_of(recorded.version)
    if number is None:
        raise MigrationRefused(f"schema_migrations names no number: {recorded.version!r}")
    note = f"{corrections.BASELINE}: golang-migrate was at {recorded.version!r}"
    rows = [_row(file, note, None) for file in files if file.number <= number]
    if number > max(file.number for file in files):
        # A database ahead of the folder stays ahead.
        return [*rows, Applied(recorded.version, "unknown", 0.0, None, f"{note}, without its file")]
    if number not in {file.number for file in files}:
        raise MigrationRefused(
            f"golang-migrate is at {recorded.version}, which is no file of the folder: say with "
            f"--through FILE which file the schema is at"
        )
    return rows


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
        note = f"{corrections.BASELINE}: recorded as {each.version!r}"
        if file is not None:
            rows[file.version] = _row(file, note, each.at)
        elif each.version in wanted.ignore:
            continue
        elif number is not None and number > newest:
            # A database ahead of the folder stays ahead.
            ahead = Applied(each.version, "unknown", 0.0, each.at, f"{note}, without its file")
            rows[each.version] = ahead
        else:
            unmatched.append(each.version)
    if unmatched:
        raise MigrationRefused(
            f"recorded, but no file of the folder: {', '.join(sorted(unmatched))}; name each with "
            f"--ignore if it is none"
        )
    _refuse_a_row_that_may_mean_all_before(files, recorded, rows, wanted)
    return list(rows.values())


def _refuse_a_row_that_may_mean_all_before(
    files: Sequence[MigrationFile],
    recorded: Sequence[_Recorded],
    rows: dict[str, Applied],
    wanted: Adoption,
) -> None:
    """One row may be one file, or how far a schema came; to take it for one runs files twice."""
    if len(recorded) != 1 or not rows:
        return
    [only] = rows
    number = number_of(only) or 0
    before = [file for file in files if file.number < number]
    unsaid = [file.name for file in before if file.name not in wanted.not_applied]
    if unsaid:
        raise MigrationRefused(
            f"schema_migrations has one row, {recorded[0].version!r}: does it mean all files up to "
            f"it? Then say --through {only}.sql, otherwise --not-applied for each of "
            f"{', '.join(unsaid)}"
        )


def _file_of(files: Iterable[MigrationFile], version: str) -> MigrationFile | None:
    """The file meant by `1002_add_x`, `1002_add_x.sql`, `1002` or `v1002`."""
    for file in files:
        if version in (file.version, file.name):
            return file
    numbered = re.fullmatch(r"[vV]?0*(\d+)", version)
    if numbered is None:
        return None
    return next((file for file in files if file.number == int(numbered[1])), None)


def _through(
    files: Sequence[MigrationFile], through: str, history: _History | None
) -> list[Applied]:
    if history is not None and len(history.rows) > 1:
        raise MigrationRefused("this database has a history: --through is for one without")
    last = next(file.number for file in files if file.name == through)
    note = f"{corrections.BASELINE}: through {through}"
    return [_row(file, note, None) for file in files if file.number <= last]


def _row(file: MigrationFile, note: str, at: datetime | None) -> Applied:
    return Applied(file.version, file.checksum, 0.0, at, note)
