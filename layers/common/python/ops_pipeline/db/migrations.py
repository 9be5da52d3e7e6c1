"""The migration runner: brings a database to the newest file of a folder, or leaves it as it was.

Lambda and command line are this same code. One run at a time holds an advisory lock of
its session, asked for outside any transaction: a waiter inside one would block a
CREATE INDEX CONCURRENTLY of the run it waits for.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection

from ops_pipeline.db.connection import Database, Limits, Transaction
from ops_pipeline.db.migration_files import MigrationFile, Plan, plan, read_folder
from ops_pipeline.db.migration_history import (
    Applied,
    applied_versions,
    in_words,
    position_of,
    problems_of,
    read_history,
    record,
)
from ops_pipeline.db.sql_lexer import Statement
from ops_pipeline.errors import DatabaseUnavailable, MigrationFailed, MigrationRefused

# For the Database that a Runner is given: building an index takes longer than a stage may.
LIMITS = Limits(lock_ms=10_000, statement_ms=600_000, idle_in_transaction_ms=60_000)

_LOCK = 729_104_001
_LOCK_POLL_S = 0.1
_LOST = (InterfaceError, OSError, EOFError)
# Whatever a file set for itself (role, search_path, time-outs) ends with it; what it
# deferred is checked while we still know which file it was.
_FINISH = Statement(
    "SET CONSTRAINTS ALL IMMEDIATE; RESET SESSION AUTHORIZATION; RESET ALL", line=0, words=()
)
_AS_BEFORE = "the database is as before this file"


@dataclass(frozen=True, slots=True)
class Status:
    """Folder and database side by side; with problems, `up` would refuse."""

    applied: tuple[Applied, ...]
    pending: tuple[str, ...]
    problems: tuple[str, ...]


def required_versions(folder: Path) -> tuple[str, ...]:
    """The versions of a folder, in order. Raises MigrationRefused."""
    return tuple(file.version for file in read_folder(folder))


def missing_versions(tx: Transaction, folder: Path) -> tuple[str, ...]:
    """The versions of a folder that the database lacks; one that is ahead lacks none."""
    applied = applied_versions(tx)
    return tuple(version for version in required_versions(folder) if version not in applied)


class Runner:
    """Migrates one database from one folder.

    Args:
        database: Logs in as the owner of the schema, best with LIMITS.
        folder: Of files named NNNN_name.sql.
        lock_wait_s: How long to wait for another run to end.
    """

    def __init__(self, database: Database, folder: Path, *, lock_wait_s: float = 60.0) -> None:
        self._database = database
        self._folder = folder
        self._lock_wait_s = lock_wait_s

    def status(self) -> Status:
        """Compare folder and database; changes nothing."""
        files = read_folder(self._folder)
        history = self._history()
        return Status(
            applied=tuple(sorted(history.values(), key=lambda row: row.version)),
            pending=tuple(file.version for file in files if file.version not in history),
            problems=tuple(problems_of(files, history)),
        )

    def verify(self) -> list[str]:
        """What is wrong with folder or history, one sentence each; empty when in order."""
        return list(self.status().problems)

    def dry_run(self) -> list[Plan]:
        """What `up` would run, refused as it would be.

        Raises:
            MigrationRefused: see `up`.
        """
        return _plans(read_folder(self._folder), self._history())

    def up(self) -> list[Applied]:
        """Apply what is pending, each file in one transaction with its row.

        Raises:
            MigrationRefused: a file or the history is not in order; nothing was run.
            MigrationFailed: a file failed; those before it stay applied, it left nothing.
            DatabaseUnavailable: no connection, or another run did not end in time.
            CommitUnknown: the connection broke at a COMMIT; running again settles it.
        """
        files = read_folder(self._folder)
        with self._alone() as session:
            plans = _plans(files, self._history(create=True))
            return [self._apply(plan, session) for plan in plans]

    @contextmanager
    def _alone(self) -> Iterator[Connection]:
        with self._database.transaction():
            pass  # replaces a connection that died since the last run
        session = self._database.session()
        deadline = time.monotonic() + self._lock_wait_s
        while not session.execute_simple(f"SELECT pg_try_advisory_lock({_LOCK})").rows[0][0]:
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    f"another migration run ({_holder(session)}) holds the lock "
                    f"since over {self._lock_wait_s:g} s; nothing was run"
                )
            time.sleep(_LOCK_POLL_S)
        try:
            yield session
        finally:
            with suppress(*_LOST, DatabaseError):
                session.execute_simple(f"SELECT pg_advisory_unlock({_LOCK})")

    def _history(self, *, create: bool = False) -> dict[str, Applied]:
        """The applied migrations by version."""
        try:
            with self._database.transaction() as tx:
                return read_history(tx, create=create)
        except DatabaseError as error:
            raise MigrationFailed(f"schema_migrations: {in_words(error)}") from error

    def _apply(self, plan: Plan, session: Connection) -> Applied:
        started = time.perf_counter()
        if not plan.transactional:
            self._run_each(plan, session)
        with self._database.transaction() as tx:
            if self._database.session() is not session:
                raise MigrationFailed(
                    f"{plan.file.name}: the connection was lost and with it the lock; run again"
                )
            if plan.transactional:
                for statement in plan.statements:
                    _send(tx.script, plan, statement, _AS_BEFORE)
            _send(tx.script, plan, _FINISH, _AS_BEFORE)
            applied = Applied(
                version=plan.file.version,
                checksum=plan.file.checksum,
                execution_ms=round((time.perf_counter() - started) * 1000, 3),
            )
            record(tx, applied)
        return applied

    def _run_each(self, plan: Plan, session: Connection) -> None:
        """Run a file outside of transactions; what took effect before a failure stays."""
        for index, statement in enumerate(plan.statements):
            left = f"{index} of its {len(plan.statements)} statements took effect"
            _send(session.execute_simple, plan, statement, left)


def _send(run: Callable[[str], object], plan: Plan, statement: Statement, left: str) -> None:
    """Run one statement; a failure names file and line and says what is left behind."""
    try:
        run(statement.text)
    except DatabaseError as error:
        line = statement.line_at(position_of(error)) if statement.line else 0
        where = f"line {line}" if line else "at its end"
        raise MigrationFailed(f"{plan.file.name} {where}: {in_words(error)}; {left}") from error
    except _LOST as error:
        raise MigrationFailed(
            f"{plan.file.name} line {statement.line}: the connection broke ({error}); {left}"
        ) from error


def _plans(files: Sequence[MigrationFile], history: Mapping[str, Applied]) -> list[Plan]:
    problems = list(problems_of(files, history))
    if problems:
        raise MigrationRefused("; ".join(problems))
    return [plan(file) for file in files if file.version not in history]


def _holder(session: Connection) -> str:
    found = session.execute_simple(
        "SELECT string_agg(format('pid %s, %s', pid, application_name), '; ') "
        "FROM pg_locks JOIN pg_stat_activity USING (pid) "
        f"WHERE locktype = 'advisory' AND granted AND objid = {_LOCK}"
    )
    return str(found.rows[0][0] or "just ended")
