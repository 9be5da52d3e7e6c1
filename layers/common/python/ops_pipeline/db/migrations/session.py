"""The session of one migration run: alone under its lock, sending statements by file and line.

The lock belongs to the session and is asked for outside any transaction: a waiter inside
one would block a CREATE INDEX CONCURRENTLY of the run it waits for.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection

from ops_pipeline.db.driver.connection import Database, SessionLimits, Transaction
from ops_pipeline.db.migrations.history import in_words, position_of
from ops_pipeline.db.migrations.lexer import Statement
from ops_pipeline.db.migrations.plan import MigrationPlan
from ops_pipeline.errors import CommitUnknown, DatabaseUnavailable, MigrationFailed

LOCK_WAIT_S = 45.0
# Of one statement. A test holds wait and statement together under the function's time-out.
STATEMENT_S = 240.0
# For the Database that a Runner is given: building an index takes longer than a stage may.
LIMITS = SessionLimits(
    lock_ms=10_000, statement_ms=int(STATEMENT_S * 1000), idle_in_transaction_ms=60_000
)
AS_BEFORE = "the database is as before this file"

_LOCK = 729_104_001
_LOCK_POLL_S = 0.1
LOST = (InterfaceError, OSError, EOFError)
# Files are cut into statements by this reading of quotes.
_READING = "SET standard_conforming_strings = on"
# A killed run's statement ends soon after it, and with it its hold on the lock.
_NOTICE_LOSS = "SET client_connection_check_interval = '2s'"
# Whatever a file set for itself (role, search_path, time-outs, cursors, temporary tables) ends
# with it; what it deferred is checked while we still know which file it was.
_AS_LOGGED_IN = "RESET SESSION AUTHORIZATION; RESET ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP"
_ENDS_WITH_THE_FILE = f"SET CONSTRAINTS ALL IMMEDIATE; {_AS_LOGGED_IN}"
# Not those that the driver prepared.
_FORGET_PREPARED = """
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

    def __init__(self, database: Database, raw: Connection) -> None:
        self._database = database
        self.raw = raw
        self._settings = _READING
        # Whatever this session was used for before.
        raw.execute_simple(f"{_AS_LOGGED_IN}; {_READING}")
        # Not every operating system can tell that a client is gone.
        with suppress(DatabaseError):
            raw.execute_simple(_NOTICE_LOSS)
            self._settings = f"{_READING}; {_NOTICE_LOSS}"

    def enter(self, tx: Transaction, plan: MigrationPlan) -> None:
        """Begin the unit of work, over the session with the lock and no other.

        A lost connection is replaced by a unit's beginning, and by nothing later.
        """
        tx.begin()
        self.require_alive(plan)

    def require_alive(self, plan: MigrationPlan) -> None:
        """Refuse to go on over a connection that replaced the one with the lock."""
        if self._database.session() is not self.raw:
            raise MigrationFailed(
                f"{plan.file.name}: the connection was lost and with it the lock; run again"
            )

    def end_of_file(self, plan: MigrationPlan, *more: str) -> Statement:
        """What is sent as the end of a file, and further statements with it."""
        ends = [_ENDS_WITH_THE_FILE, self._settings]
        if any(statement.words[:1] == ("PREPARE",) for statement in plan.statements):
            ends.append(_FORGET_PREPARED)
        text = "; ".join((*ends, *more))
        return Statement(text, line=0, words=())


@contextmanager
def alone(database: Database, wait_s: float) -> Iterator[MigrationSession]:
    """Hold the lock that lets one run at a time work on a database.

    Raises:
        DatabaseUnavailable: no connection, or another run did not end in time.
    """
    with database.transaction() as tx:
        tx.begin()  # replaces a connection that died since the last run
    raw = database.session()
    deadline = time.monotonic() + wait_s
    while not raw.execute_simple(f"SELECT pg_try_advisory_lock({_LOCK})").rows[0][0]:
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(
                f"another migration run ({_holder(raw)}) holds the lock "
                f"since over {wait_s:g} s; nothing was run"
            )
        time.sleep(_LOCK_POLL_S)
    try:
        yield MigrationSession(database, raw)
    finally:
        with suppress(*LOST, DatabaseError):
            raw.execute_simple(f"SELECT pg_advisory_unlock({_LOCK}); {_AS_LOGGED_IN}")


def send(
    run: Callable[[str], object], plan: MigrationPlan, statement: Statement, left: str
) -> None:
    """Run one statement.

    Raises:
        MigrationFailed: names file and line and says what is `left` behind.
        CommitUnknown: it was to commit, and the connection broke.
    """
    try:
        run(statement.text)
    except DatabaseError as error:
        line = statement.line_at(position_of(error)) if statement.line else 0
        where = _where(plan, line)
        raise MigrationFailed(f"{where}: {in_words(error)}; {left}") from error
    except CommitUnknown as error:
        where = _where(plan, statement.line)
        raise CommitUnknown(
            f"{where}: {error}; the next run finds out what became of it"
        ) from error
    except LOST as error:
        where = _where(plan, statement.line)
        raise MigrationFailed(f"{where}: the connection broke ({error}); {left}") from error


def _where(plan: MigrationPlan, line: int) -> str:
    return f"{plan.file.name} {f'line {line}' if line else 'at its end'}"


def _holder(raw: Connection) -> str:
    found = raw.execute_simple(
        "SELECT string_agg(concat_ws(', ', 'pid ' || pid, nullif(application_name, '')), '; ') "
        "FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) "
        f"WHERE locktype = 'advisory' AND granted AND objid = {_LOCK} AND l.database = a.datid "
        "AND a.datname = current_database()"
    )
    return str(found.rows[0][0] or "just ended")
