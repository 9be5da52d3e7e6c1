"""One typed door to Postgres: explicit transactions, named errors, reconnect where it is safe.

A unit of work is one `with database.transaction() as tx:`. It commits at the end of
the block and rolls back on any error; nothing else commits. Not thread safe, as
pg8000 is not.
"""

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from ssl import SSLContext
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pg8000.native
from pg8000.converters import make_params
from pg8000.exceptions import DatabaseError, InterfaceError

from ops_pipeline.errors import (
    CapExceeded,
    CommitUnknown,
    ConstraintViolated,
    DatabaseUnavailable,
    OpsError,
    SettingsInvalid,
)

Row = dict[str, Any]

_LOST = (InterfaceError, OSError, EOFError)
# 57P01-57P03: the server is shutting down or starting; 08: connection; 53: out of resources;
# 55P03 lock_not_available, 57014 query_canceled, 40001 and 40P01: nothing was committed.
_TRY_AGAIN = ("08", "53", "57P", "57014", "55P03", "40")
_SESSION_ENDED = ("08", "57P")
_CONSTRAINT = "23"
# A prepared statement whose table has changed since: the next session prepares it anew.
_PLAN_IS_STALE = "0A000"
# Raised by the triggers of the order road, see migrations.
CAP_SQLSTATE = "OP001"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a database is and who logs in. `password` never shows in a repr."""

    host: str
    port: int
    database: str
    user: str
    password: str | None
    ssl_context: SSLContext | None = None

    def __repr__(self) -> str:
        return f"Target({self.user}@{self.host}:{self.port}/{self.database})"


@dataclass(frozen=True, slots=True)
class Limits:
    """Server-side time-outs of a session, milliseconds."""

    lock_ms: int = 5_000
    statement_ms: int = 30_000
    idle_in_transaction_ms: int = 60_000


def target_from_url(url: str, *, name: str = "DATABASE_URL") -> Target:
    """Read `postgresql://user:password@host:port/database`.

    Raises:
        SettingsInvalid: a part is missing; the message names the setting, not the value.
    """
    parts = urlsplit(url)
    database = parts.path.lstrip("/")
    if parts.scheme not in ("postgresql", "postgres") or not parts.username or not database:
        raise SettingsInvalid(f"{name} must look like postgresql://user:password@host:port/name")
    host = parts.hostname or parse_qs(parts.query).get("host", [""])[0]
    if not host:
        raise SettingsInvalid(f"{name} names no host")
    return Target(
        host=host,
        port=parts.port or 5432,
        database=unquote(database),
        user=unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


@lru_cache(maxsize=512)
def _statement(sql: str) -> tuple[str, Any]:
    return pg8000.native.to_statement(sql)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement that the server has parsed already: one round trip a run, not three."""

    name: bytes
    columns: Any
    input_funcs: Any


# Far more than the package has; statements beyond it are parsed at each run.
_MOST_PREPARED = 400


class Transaction:
    """The statements of one unit of work; made by `Database.transaction` alone."""

    def __init__(
        self, connection: pg8000.native.Connection, prepared: dict[str, _Prepared]
    ) -> None:
        self._connection = connection
        self._prepared = prepared

    def rows(self, sql: str, **values: object) -> list[Row]:
        """Run one statement with `:name` placeholders and return its rows, in order."""
        context = self._run(sql, values)
        if not context.columns:
            return []
        names = [column["name"] for column in context.columns]
        return [dict(zip(names, row, strict=True)) for row in context.rows]

    def one(self, sql: str, **values: object) -> Row | None:
        """The first row, or None."""
        found = self.rows(sql, **values)
        return found[0] if found else None

    def execute(self, sql: str, **values: object) -> int:
        """Run one statement and return how many rows it touched."""
        return int(self._run(sql, values).row_count)

    def script(self, sql: str) -> None:
        """Run several statements without parameters; the block still commits as one."""
        self._connection.execute_simple(sql)

    def copy_in(self, sql: str, lines: Iterable[bytes]) -> int:
        """Feed `COPY ... FROM STDIN` from encoded lines; returns how many rows arrived."""
        context = self._connection.execute_unnamed(sql, vals=(), stream=iter(lines))
        return int(context.row_count)

    def _run(self, sql: str, values: dict[str, object]) -> Any:
        statement, make_values = _statement(sql)
        try:
            in_order = make_values(values)
        except InterfaceError as error:
            raise ValueError(str(error)) from error
        known = self._prepared.get(sql) or self._prepare(sql, statement)
        if known is None:
            return self._connection.execute_unnamed(statement, vals=in_order)
        values_as_text = make_params(self._connection.py_types, in_order)
        return self._connection.execute_named(
            known.name, values_as_text, known.columns, known.input_funcs, statement
        )

    def _prepare(self, sql: str, statement: str) -> _Prepared | None:
        if len(self._prepared) >= _MOST_PREPARED:
            return None
        self._prepared[sql] = _Prepared(*self._connection.prepare_statement(statement, ()))
        return self._prepared[sql]


class Database:
    """A lazily opened connection that is replaced after a loss.

    Args:
        target: Where to log in.
        application_name: Shown in pg_stat_activity.
        limits: Time-outs that the server enforces.
        read_only: Every transaction is READ ONLY.
    """

    def __init__(
        self,
        target: Target,
        *,
        application_name: str,
        limits: Limits | None = None,
        read_only: bool = False,
    ) -> None:
        self._target = target
        self._application_name = application_name
        self._limits = limits or Limits()
        self._begin = "BEGIN READ ONLY" if read_only else "BEGIN"
        self._connection: pg8000.native.Connection | None = None
        self._prepared: dict[str, _Prepared] = {}
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
        connection = self._open_transaction()
        self._inside = True
        try:
            yield Transaction(connection, self._prepared)
            self._commit(connection)
        except BaseException as error:
            self._roll_back(connection)
            if isinstance(error, DatabaseError) and _sqlstate(error) == _PLAN_IS_STALE:
                self.close()
            if isinstance(error, (DatabaseError, *_LOST)):
                raise _translated(error) from error
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
            return Transaction(self.session(), self._prepared).rows(sql, **values)
        except (*_LOST, DatabaseError) as error:
            if not _is_lost(error):
                raise _translated(error) from error
            self.close()
        with self.transaction() as tx:
            return tx.rows(sql, **values)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        self._prepared = {}
        if connection is not None:
            with suppress(*_LOST):
                connection.close()

    def session(self) -> pg8000.native.Connection:
        """The raw session, for the migration runner's work outside transactions."""
        if self._connection is None:
            self._connection = self._connect()
            self._prepared = {}
        return self._connection

    def _open_transaction(self) -> pg8000.native.Connection:
        connection = self.session()
        try:
            connection.execute_simple(self._begin)
        except (*_LOST, DatabaseError) as error:
            self.close()
            if not _is_lost(error):
                raise _translated(error) from error
            # A warm Lambda's connection dies while it is frozen. BEGIN changes nothing,
            # so this is a statement that may simply be run again.
            return self._begin_anew()
        return connection

    def _begin_anew(self) -> pg8000.native.Connection:
        connection = self.session()
        try:
            connection.execute_simple(self._begin)
        except (*_LOST, DatabaseError) as error:
            self.close()
            raise _translated(error) from error
        return connection

    def _commit(self, connection: pg8000.native.Connection) -> None:
        try:
            connection.execute_simple("COMMIT")
        except OSError as error:
            self.close()
            raise CommitUnknown("the connection broke during COMMIT") from error
        except DatabaseError as error:
            if _sqlstate(error).startswith(_SESSION_ENDED):
                self.close()
                raise CommitUnknown("the session ended during COMMIT") from error
            raise
        except InterfaceError as error:
            # pg8000 says so both for a lost connection and for a COMMIT that Postgres
            # answered with ROLLBACK because an error in the block had been swallowed.
            if "in failed transaction block" in str(error):
                raise RuntimeError("an error inside a unit of work was swallowed") from error
            self.close()
            raise CommitUnknown("the connection broke during COMMIT") from error

    def _roll_back(self, connection: pg8000.native.Connection) -> None:
        try:
            connection.execute_simple("ROLLBACK")
        except (*_LOST, DatabaseError):
            self.close()

    def _connect(self) -> pg8000.native.Connection:
        try:
            connection = pg8000.native.Connection(
                self._target.user,
                host=self._target.host,
                port=self._target.port,
                database=self._target.database,
                password=self._target.password,
                ssl_context=self._target.ssl_context,
                timeout=self._limits.statement_ms / 1000 + 10,
                application_name=self._application_name,
                startup_params={
                    "TimeZone": "UTC",
                    "lock_timeout": str(self._limits.lock_ms),
                    "statement_timeout": str(self._limits.statement_ms),
                    "idle_in_transaction_session_timeout": str(self._limits.idle_in_transaction_ms),
                    "default_transaction_isolation": "read committed",
                },
            )
        except _LOST as error:
            raise _translated(error) from error
        except DatabaseError as error:
            named = _translated(error)
            if isinstance(named, OpsError):
                raise named from error
            words = _facts(error).get("M", str(error))
            raise SettingsInvalid(f"Postgres refused the login: {words}") from error
        # Without it COPY FROM stalls about 44 ms on delayed acknowledgements.
        connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def _translated(error: Exception) -> Exception:
    """The error of this package for one of the driver's; Postgres's words stay in it."""
    if isinstance(error, _LOST):
        return DatabaseUnavailable(f"no connection to Postgres: {error}")
    facts = _facts(error)
    sqlstate = _sqlstate(error)
    message = str(facts.get("M", error))
    if sqlstate == CAP_SQLSTATE:
        return CapExceeded(message, constraint=facts.get("n"), sqlstate=sqlstate)
    if sqlstate.startswith(_CONSTRAINT):
        return ConstraintViolated(message, constraint=facts.get("n"), sqlstate=sqlstate)
    if sqlstate.startswith(_TRY_AGAIN):
        return DatabaseUnavailable(f"{message} ({sqlstate})")
    return error


def _is_lost(error: Exception) -> bool:
    """Whether the session is gone, as opposed to a statement that went wrong."""
    return isinstance(error, _LOST) or _sqlstate(error).startswith(_SESSION_ENDED)


def _facts(error: Exception) -> dict[str, str]:
    return error.args[0] if error.args and isinstance(error.args[0], dict) else {}


def _sqlstate(error: Exception) -> str:
    return str(_facts(error).get("C", ""))
