"""How far a file without a transaction has come, so that the next run continues there.

A statement that may run in a transaction commits together with the new count. One that
must run outside is marked first; a mark that is still there means it was interrupted, and
the catalog tells whether the statement took effect.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.migrations.literals import with_literals
from ops_pipeline.db.migrations.plan import MigrationPlan
from ops_pipeline.db.migrations.statement import Statement
from ops_pipeline.errors import MigrationRefused

_CREATE = """
    CREATE TABLE public.schema_migrations_half_done (
        version text CONSTRAINT schema_migrations_half_done_pkey PRIMARY KEY,
        statements_done integer NOT NULL,
        done_checksum text NOT NULL,
        attempted text,
        indexes_before bigint[] NOT NULL
    );
    COMMENT ON TABLE public.schema_migrations_half_done IS
        'Interrupted files without a transaction; empty when all is well.';
    COMMENT ON COLUMN public.schema_migrations_half_done.version IS 'The stem of the file.';
    COMMENT ON COLUMN public.schema_migrations_half_done.statements_done IS
        'How many of its statements took effect.';
    COMMENT ON COLUMN public.schema_migrations_half_done.done_checksum IS
        'sha256 of those statements.';
    COMMENT ON COLUMN public.schema_migrations_half_done.attempted IS
        'The statement under way that no transaction held; NULL when none was.';
    COMMENT ON COLUMN public.schema_migrations_half_done.indexes_before IS
        'Object ids of the indexes there were before it; what is new is of its making.';
    GRANT SELECT ON public.schema_migrations_half_done TO PUBLIC;
"""
_PRESENT = "SELECT to_regclass('public.schema_migrations_half_done') IS NOT NULL AS present"
_ALL = """
    SELECT version, statements_done, done_checksum, attempted, indexes_before
    FROM public.schema_migrations_half_done ORDER BY version
"""
_BEGIN = """
    INSERT INTO public.schema_migrations_half_done
        (version, statements_done, done_checksum, attempted, indexes_before)
    VALUES (:version, 0, :done_checksum, NULL, '{}')
"""
_SAVE = """
    UPDATE public.schema_migrations_half_done
    SET statements_done = CAST(:statements_done AS integer), done_checksum = :done_checksum,
        attempted = :attempted, indexes_before = CAST(:indexes_before AS bigint[])
    WHERE version = :version
"""
# A file without a transaction may switch roles; the progress is written as the runner's login.
_AS_THE_RUNNER = "SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL ROLE NONE"
_FORGET = "DELETE FROM public.schema_migrations_half_done WHERE version = :version"


@dataclass(frozen=True, slots=True)
class PartialRun:
    """One row; see the table's comments."""

    version: str
    statements_done: int
    done_checksum: str
    attempted: str | None
    indexes_before: list[int]


def read_partial_runs(tx: Transaction) -> dict[str, PartialRun]:
    """The interrupted files, by version."""
    present = tx.one(_PRESENT)
    rows = tx.rows(_ALL) if present is not None and present["present"] else []
    return {row["version"]: PartialRun(**row) for row in rows}


def ensure_table(tx: Transaction) -> None:
    present = tx.one(_PRESENT)
    if present is None or not present["present"]:
        tx.script(_CREATE)


def begin(tx: Transaction, plan: MigrationPlan) -> PartialRun:
    """The file's row, made if there is none.

    Raises:
        MigrationRefused: the file no longer begins with the statements that took effect.
    """
    partial = read_partial_runs(tx).get(plan.file.version)
    if partial is None:
        nothing = _checksum((), 0)
        _write(tx, _BEGIN, version=plan.file.version, done_checksum=nothing)
        return PartialRun(plan.file.version, 0, nothing, None, [])
    if partial.done_checksum != _checksum(plan.statements, partial.statements_done):
        raise MigrationRefused(
            f"{plan.file.name}: its first {partial.statements_done} statements took effect as they "
            f"were; restore them and continue behind them"
        )
    return partial


def mark(tx: Transaction, plan: MigrationPlan, done: int, indexes_before: Sequence[int]) -> None:
    """Record that statement number `done`, from 0, is running outside a transaction."""
    _save(tx, plan, done, plan.statements[done].text, indexes_before)


def advance(tx: Transaction, plan: MigrationPlan, done: int) -> None:
    """Record that the first `done` statements took effect and none is running."""
    _save(tx, plan, done, None, ())


def forget_sql(version: str) -> str:
    """The statement that deletes the file's row."""
    return with_literals(_FORGET, version=version)


def _save(
    tx: Transaction, plan: MigrationPlan, done: int, attempted: str | None, before: Sequence[int]
) -> None:
    _write(
        tx,
        _SAVE,
        version=plan.file.version,
        statements_done=done,
        done_checksum=_checksum(plan.statements, done),
        attempted=attempted,
        indexes_before=f"{{{','.join(map(str, before))}}}",
    )


def _write(tx: Transaction, sql: str, **values: object) -> None:
    """Never as a prepared statement: a file may have deallocated those."""
    tx.script(f"{_AS_THE_RUNNER}; {with_literals(sql, **values)}")


def _checksum(statements: Iterable[Statement], done: int) -> str:
    """sha256 of the first `done` statements, with a NUL between them."""
    digest = hashlib.sha256()
    for number, statement in enumerate(islice(statements, done)):
        digest.update(b"\0" if number else b"")
        for chunk in statement.chunks():
            digest.update(chunk)
    return digest.hexdigest()
