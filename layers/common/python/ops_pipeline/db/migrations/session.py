"""The session of one migration run: it holds the lock and reports errors by file and line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pg8000.exceptions import DatabaseError

from ops_pipeline.db.driver.connection import Database, SessionLimits, Transaction
from ops_pipeline.db.driver.failures import LOST, error_fields
from ops_pipeline.db.driver.wire import PipelinedSession
from ops_pipeline.db.migrations import lock
from ops_pipeline.db.migrations.history import position_of, postgres_message
from ops_pipeline.db.migrations.plan import MigrationPlan
from ops_pipeline.db.migrations.statement import Statement, statement_of
from ops_pipeline.errors import CommitUnknown, MigrationFailed, MigrationRefused

LOCK_WAIT_S = 45.0
# For one statement. A test checks that wait and statement fit into the function's time-out.
STATEMENT_S = 240.0
# For the Database that a Runner is given: building an index takes longer than a stage may.
# Files run in the time zone of the database and the role, as they would by psql.
LIMITS = SessionLimits(
    lock_ms=10_000,
    statement_ms=int(STATEMENT_S * 1000),
    idle_in_transaction_ms=60_000,
    others=(),
)
NOTHING_CHANGED = "the database is as before this file"

# Files are split into statements on this assumption about quotes.
_QUOTING = "SET standard_conforming_strings = on"
# The server ends a killed run's statement soon after it, which releases its lock.
_NOTICE_LOSS = "SET client_connection_check_interval = '2s'"
# Whatever a file set in its session (role, search_path, time-outs, cursors, temporary tables)
# ends with it; deferred constraints are checked while the file can still be named.
_RESET_SESSION = "RESET SESSION AUTHORIZATION; RESET ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP"
_ENDS_WITH_THE_FILE = f"SET CONSTRAINTS ALL IMMEDIATE; {_RESET_SESSION}"
# But not those that the driver prepared.
_DEALLOCATE_OWN = """
    DO $$ DECLARE prepared text; BEGIN
    FOR prepared IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE from_sql LOOP
        EXECUTE pg_catalog.format('DEALLOCATE %I', prepared);
    END LOOP; END $$
"""


class MigrationSession:
    """One session that holds the lock.

    Attributes:
        raw: For statements outside of transactions.
    """

    def __init__(self, database: Database, raw: PipelinedSession) -> None:
        self._database = database
        self.raw = raw
        self._settings = _QUOTING
        # This session may have been used for something else before.
        raw.execute_simple(f"{_RESET_SESSION}; {_QUOTING}")
        # Not every operating system can detect that a client is gone.
        with suppress(DatabaseError):
            raw.execute_simple(_NOTICE_LOSS)
            self._settings = f"{_QUOTING}; {_NOTICE_LOSS}"

    def enter(self, tx: Transaction, plan: MigrationPlan) -> None:
        """Begin the unit of work, and make sure that its session holds the lock.

        A lost connection is replaced when a unit begins, and never later.
        """
        tx.begin()
        self.require_alive(plan)

    def require_alive(self, plan: MigrationPlan) -> None:
        """Refuse to continue over a connection that replaced the one with the lock."""
        if self._database.session() is not self.raw:
            raise MigrationFailed(
                f"{plan.file.name}: the connection was lost and with it the lock; run again"
            )

    def end_of_file(self, plan: MigrationPlan, *more: str) -> Statement:
        """What is sent at the end of a file: resetting the session, and further statements."""
        ends = [_ENDS_WITH_THE_FILE, self._settings]
        if plan.prepares:
            ends.append(_DEALLOCATE_OWN)
        return statement_of("; ".join((*ends, *more)))


@contextmanager
def alone(database: Database, wait_s: float) -> Iterator[MigrationSession]:
    """Hold the lock that allows one run at a time on a database.

    Raises:
        DatabaseUnavailable: no connection, or another run did not end in time.
        MigrationRefused: a pooler stands between.
    """
    with database.transaction() as tx:
        tx.begin()  # replaces a connection that died since the last run
    if database.pooled:
        raise MigrationRefused(
            "this address leads to a pooler (PgBouncer, RDS Proxy), where a run's lock and what a "
            "file sets would be another session's: migrate over the server's own address"
        )
    raw = database.session()
    with lock.held(raw, wait_s):
        try:
            yield MigrationSession(database, raw)
        finally:
            with suppress(*LOST, DatabaseError):
                raw.execute_simple(_RESET_SESSION)


def inside(tx: Transaction) -> Callable[[Statement], object]:
    """Runs a statement in a unit of work; the rows it may return are discarded."""

    def run(statement: Statement) -> None:
        if statement.data is None:
            tx.stream(statement.size, statement.chunks())
        else:
            tx.copy_in(statement.text, statement.data_chunks())

    return run


def outside(raw: PipelinedSession) -> Callable[[Statement], object]:
    """Runs a statement outside of any transaction; the rows it may return are discarded."""
    return lambda statement: raw.stream(statement.size, statement.chunks())


def send(
    run: Callable[[Statement], object], plan: MigrationPlan, statement: Statement, left: str
) -> None:
    """Run one statement.

    Raises:
        MigrationFailed: names file and line and says what state is `left`.
        CommitUnknown: it was to commit, and the connection broke.
    """
    try:
        run(statement)
    except DatabaseError as error:
        line = _line_of(statement, error)
        where = _where(plan, line)
        raise MigrationFailed(f"{where}: {postgres_message(error)}; {left}") from error
    except CommitUnknown as error:
        where = _where(plan, statement.line)
        raise CommitUnknown(
            f"{where}: {error}; the next run finds out whether it took effect"
        ) from error
    except LOST as error:
        where = _where(plan, statement.line)
        raise MigrationFailed(f"{where}: the connection broke ({error}); {left}") from error


def _line_of(statement: Statement, error: DatabaseError) -> int:
    """The line in the file; 0 for a statement of the runner's own."""
    if not statement.line:
        return 0
    context = error_fields(error).get("W", "")
    return statement.line_of_data(context) or statement.line_at(position_of(error))


def _where(plan: MigrationPlan, line: int) -> str:
    return f"{plan.file.name} {f'line {line}' if line else 'at its end'}"
