"""The package's only access to Postgres: explicit transactions, named errors, safe reconnects.

A unit of work is one `with database.transaction() as tx:`. It commits at the end of
the block and rolls back on any error; nothing else commits. Not thread safe, as
pg8000 is not.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from typing import Any

from pg8000.exceptions import DatabaseError
from pg8000.native import literal

from ops_pipeline.db.driver.failures import (
    CAP_SQLSTATE,
    LOST,
    PLAN_IS_STALE,
    WRONG_PASSWORD,
    error_fields,
    is_drivers,
    is_lost,
    log_message,
    safe_to_raise,
    sqlstate_of,
    translated,
)
from ops_pipeline.db.driver.target import ConnectionTarget, SessionLimits, target_from_url
from ops_pipeline.db.driver.transaction import Row, Transaction, bound_statement, rows_of
from ops_pipeline.db.driver.transport import open_socket
from ops_pipeline.db.driver.wire import PipelinedSession
from ops_pipeline.errors import CommitUnknown, OpsError, SettingsInvalid

__all__ = [
    "CAP_SQLSTATE",
    "ConnectionTarget",
    "Database",
    "Row",
    "SessionLimits",
    "Transaction",
    "log_message",
    "safe_to_raise",
    "target_from_url",
    "values_of",
]

_PID = "SELECT pg_backend_pid()"
_PROTOCOL_VIOLATION = "08P01"
_STARTING_UP = "57P03"
# The server ends a statement by itself; only a dead one leaves the client waiting longer.
_GRACE_S = 10
# A dead server is noticed within a minute: seconds to the first probe, between probes,
# and how many may go unanswered.
_KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))


def values_of(record: Any) -> dict[str, Any]:
    """A dataclass by field; unlike asdict() it copies no value."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


class Database:
    """A connection that is opened at its first use and replaced after a loss.

    Args:
        target: Where to log in.
        application_name: Shown in pg_stat_activity.
        limits: Time-outs that the server enforces.
        read_only: Every transaction is READ ONLY.
        renew: Reads the login again, once, when the server refuses its password.
    """

    def __init__(
        self,
        target: ConnectionTarget,
        *,
        application_name: str,
        limits: SessionLimits | None = None,
        read_only: bool = False,
        renew: Callable[[], ConnectionTarget] | None = None,
    ) -> None:
        self._target = target
        self._renew = renew
        self._application_name = application_name
        self._limits = limits or SessionLimits()
        self._read_only = read_only
        self._connection: PipelinedSession | None = None
        self._pooled = False
        self._inside = False

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a unit of work at READ COMMITTED.

        Raises:
            DatabaseUnavailable: the server is out of reach, or stopped us by a time-out
                or a deadlock; nothing was committed.
            SettingsInvalid: Postgres refuses this login, or knows no such database.
            CommitUnknown: the connection broke while COMMIT was under way.
            ConstraintViolated: the database refused a row (CapExceeded for a limit).
        """
        if self._inside:
            raise RuntimeError("a unit of work is open already: units do not nest")
        tx = Transaction(self.session(), self.begin, self._reconnected)
        self._inside = True
        try:
            yield tx
            tx.commit()
        except BaseException as error:
            self._roll_back(tx)
            if isinstance(error, CommitUnknown) or (
                isinstance(error, DatabaseError) and sqlstate_of(error) == PLAN_IS_STALE
            ):
                self.close()
            if is_drivers(error):
                raise translated(error) from error
            raise
        finally:
            self._inside = False

    def read(self, sql: str, **values: object) -> list[Row]:
        """Run one reading statement, a unit of work of its own.

        It changes nothing, so it is run again on a new connection when this one is lost.

        Raises:
            DatabaseUnavailable: as `transaction`.
        """
        if self._inside:
            raise RuntimeError("a unit of work is open already: units do not nest")
        try:
            if self.pooled:
                return self._read_in_transaction(sql, values)
            return rows_of(self.session().execute(*bound_statement(sql, values)))
        except (*LOST, DatabaseError) as error:
            if isinstance(error, DatabaseError) and sqlstate_of(error) == PLAN_IS_STALE:
                self.close()
            if not is_lost(error):
                raise translated(error) from error
            self.close()
        return self._read_in_transaction(sql, values)

    @property
    def is_open(self) -> bool:
        """Whether there is a session already, alive or not."""
        return self._connection is not None

    @property
    def pooled(self) -> bool:
        """Whether a pooler stands between, which may give each transaction another session.

        Then every transaction sets its limits itself, and no statement has a name. A pooler
        is told by the process that it says it is, which is not the server's.
        """
        self.session()
        return self._pooled

    def begin(self) -> tuple[str, ...]:
        """The statements that begin a unit of work, with its limits where no session has them."""
        mode = " READ ONLY" if self._read_only else ""
        if not self.pooled:
            return (f"BEGIN{mode}",)
        settings = ", ".join(
            f"set_config({literal(name)}, {literal(value)}, true)"
            for name, value in self._limits.settings().items()
        )
        return (f"BEGIN ISOLATION LEVEL READ COMMITTED{mode}", f"SELECT {settings}")

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*LOST):
                connection.close()

    def session(self) -> PipelinedSession:
        """The raw session, for the migration runner's work outside transactions."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _read_in_transaction(self, sql: str, values: dict[str, object]) -> list[Row]:
        with self.transaction() as tx:
            return tx.rows(sql, **values)

    def _reconnected(self) -> PipelinedSession:
        self.close()
        return self.session()

    def _roll_back(self, tx: Transaction) -> None:
        try:
            tx.roll_back()
        except (*LOST, DatabaseError):
            self.close()

    def _connect(self) -> PipelinedSession:
        try:
            return self._log_in()
        except SettingsInvalid as refused:
            if self._renew is None or sqlstate_of(refused.__cause__) != WRONG_PASSWORD:
                raise
        self._target = self._renew()
        return self._log_in()

    def _log_in(self) -> PipelinedSession:
        try:
            session = self._open()
        except LOST as error:
            raise translated(error) from error
        except DatabaseError as error:
            named = translated(error)
            if isinstance(named, OpsError):
                raise named from error
            message = error_fields(error).get("M", str(error))
            raise SettingsInvalid(f"Postgres refused the login: {message}") from error
        if self._pooled:
            session.keep_no_statements()
        # Without it COPY FROM stalls about 44 ms on delayed acknowledgements.
        session.set_tcp_option(socket.TCP_NODELAY, 1)
        # The system's own keep-alive, which pg8000 switches on, waits two hours for its first.
        for option, value in _KEEP_ALIVE:
            session.set_tcp_option(option, value)
        return session

    def _open(self) -> PipelinedSession:
        """A session with its limits, or without where a pooler refuses to take them."""
        try:
            session = self._start(self._limits.settings())
        except DatabaseError as error:
            if sqlstate_of(error) != _PROTOCOL_VIOLATION:
                raise
            self._pooled = True
            return self._start({})
        try:
            self._pooled = session.announced_pid != session.execute_simple(_PID).rows[0][0]
        except BaseException:
            session.close()
            raise
        return session

    def _start(self, settings: dict[str, str]) -> PipelinedSession:
        """Log in at the first host that takes a connection; a refused login ends the search."""
        target = self._target
        statement_s = self._limits.statement_ms / 1000 + _GRACE_S
        for number, (host, port) in enumerate(target.hosts, start=1):
            try:
                opened = open_socket(target, host, port, target.connect_timeout_s or statement_s)
                session = self._session_over(opened, settings)
            except (*LOST, DatabaseError) as error:
                elsewhere = isinstance(error, LOST) or sqlstate_of(error) == _STARTING_UP
                if number == len(target.hosts) or not elsewhere:
                    raise
            else:
                session.set_timeout(statement_s)
                return session
        raise AssertionError("the last host returns or raises")

    def _session_over(self, opened: socket.socket, settings: dict[str, str]) -> PipelinedSession:
        options = {} if self._target.options is None else {"options": self._target.options}
        try:
            return PipelinedSession(
                self._target.user,
                sock=opened,
                ssl_context=False,
                database=self._target.database,
                password=self._target.password,
                application_name=self._target.application_name or self._application_name,
                startup_params={**options, **settings},
            )
        except BaseException:
            opened.close()
            raise
