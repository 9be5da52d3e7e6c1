"""One typed door to Postgres: explicit transactions, named errors, reconnect where it is safe.

A unit of work is one `with database.transaction() as tx:`. It commits at the end of
the block and rolls back on any error; nothing else commits. Not thread safe, as
pg8000 is not.
"""

import re
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from functools import lru_cache
from ssl import SSLContext
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import pg8000.native
from pg8000.exceptions import DatabaseError, InterfaceError

from ops_pipeline.db.driver.transport import open_socket
from ops_pipeline.db.driver.wire import COMMIT, Asked, PipelinedSession
from ops_pipeline.errors import (
    CapExceeded,
    CommitUnknown,
    ConstraintViolated,
    DatabaseUnavailable,
    OpsError,
    SettingsInvalid,
    StageFailed,
)

Row = dict[str, Any]
T = TypeVar("T")

_LOST = (InterfaceError, OSError, EOFError)
# 57P01-57P03: the server is shutting down or starting; 08: connection; 53: out of resources;
# 55P03 lock_not_available, 57014 query_canceled, 40001 and 40P01: nothing was committed.
_TRY_AGAIN = ("08", "53", "57P", "57014", "55P03", "40")
_SESSION_ENDED = ("08", "57P")
_CONSTRAINT = "23"
_WRONG_PASSWORD = "28P01"  # noqa: S105 - an SQLSTATE
_DIVISION_BY_ZERO = "22012"
_DATA_EXCEPTION = "22"
_QUOTED = re.compile(r'"[^"]*"')
# A prepared statement whose table has changed since: the next session prepares it anew.
_PLAN_IS_STALE = "0A000"
# A server that is gone is noticed within a minute: seconds to the first probe, between probes,
# and how many go unanswered.
_KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))
# Raised by the triggers of the order road, see migrations.
CAP_SQLSTATE = "OP001"


@dataclass(frozen=True, slots=True)
class ConnectionTarget:
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
class SessionLimits:
    """Server-side time-outs of a session, milliseconds."""

    lock_ms: int = 5_000
    statement_ms: int = 30_000
    idle_in_transaction_ms: int = 60_000


def target_from_url(url: str, *, name: str = "DATABASE_URL") -> ConnectionTarget:
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
    try:
        port = parts.port or 5432
    except ValueError:
        raise SettingsInvalid(f"{name} has a port that is no number") from None
    return ConnectionTarget(
        host=host,
        port=port,
        database=unquote(database),
        user=unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def values_of(record: Any) -> dict[str, Any]:
    """A dataclass by field; unlike asdict() it copies no value."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


@lru_cache(maxsize=512)
def _statement(sql: str) -> tuple[str, Any]:
    return pg8000.native.to_statement(sql)  # type: ignore[no-any-return]


def _readied(sql: str, values: dict[str, object]) -> tuple[str, Sequence[object]]:
    """The statement with `$1` placeholders, and its values in their order."""
    statement, make_values = _statement(sql)
    try:
        return statement, make_values(values)
    except InterfaceError as error:
        raise ValueError(str(error)) from error


def _rows(context: Any) -> list[Row]:
    if not context.columns:
        return []
    names = [column["name"] for column in context.columns]
    return [dict(zip(names, row, strict=True)) for row in context.rows]


class Transaction:
    """The statements of one unit of work; made by `Database.transaction` alone.

    It begins with its first statement, in the same round trip. What `send` was given waits for
    the next statement that is asked for its answer, or for the commit.
    """

    def __init__(
        self, session: PipelinedSession, begin: str, renew: Callable[[], PipelinedSession]
    ) -> None:
        self._session = session
        self._begin: str | None = begin
        self._waiting: list[Asked] = []
        self._renew = renew
        self._ended = False

    def begin(self) -> None:
        """Begin now, and not with the first statement: a session that was lost is replaced here."""
        self._begin_now()

    def rows(self, sql: str, **values: object) -> list[Row]:
        """Run one statement with `:name` placeholders and return its rows, in order."""
        return _rows(self._run(sql, values))

    def one(self, sql: str, **values: object) -> Row | None:
        """The first row, or None."""
        found = self.rows(sql, **values)
        return found[0] if found else None

    def execute(self, sql: str, **values: object) -> int:
        """Run one statement and return how many rows it touched."""
        return int(self._run(sql, values).row_count)

    def enqueue(self, sql: str, **values: object) -> None:
        """Run one statement whose answer nobody needs, in one packet with what comes next.

        Its error comes with that: at the next statement, or at the end of the unit of work.
        """
        self._waiting.append(_readied(sql, values))

    def flush(self) -> None:
        """Run what waits now."""
        if self._waiting:
            self._ask_waiting()

    def script(self, sql: str) -> None:
        """Run several statements without parameters; the block still commits as one."""
        self._begin_now()
        self._session.execute_simple(sql)

    def copy_in(self, sql: str, lines: Iterable[bytes]) -> int:
        """Feed `COPY ... FROM STDIN` from encoded lines; returns how many rows arrived."""
        self._begin_now()
        context = self._session.execute_unnamed(sql, vals=(), stream=iter(lines))
        return int(context.row_count)

    def commit_with(self, sql: str) -> None:
        """Run several statements and commit in one round trip; where one fails, nothing is.

        Raises:
            CommitUnknown: the connection broke meanwhile.
        """
        self._begin_now()
        with _no_answer_is_unknown():
            self._session.execute_simple(f"{sql}; {COMMIT}")
        self._ended = True

    def commit_unless(self, lost: OpsError, sql: str, **values: object) -> None:
        """Commit in one round trip with a statement that divides by zero when it must not be.

        Raises:
            CommitUnknown: the connection broke meanwhile.
            lost: it did divide by zero; nothing was committed.
        """
        if self._begin is not None:
            self._begin_now()
        statement, in_order = _readied(sql, values)
        try:
            self._commit_behind([*self._taken(), (statement, in_order)])
        except DatabaseError as error:
            failed = getattr(error, "failed_statement", None)
            if _sqlstate(error) == _DIVISION_BY_ZERO and failed == statement:
                raise lost from error
            raise
        self._ended = True

    def commit(self) -> None:
        """Make it last, unless nothing was done or it was committed already."""
        if self._begin is not None:
            self.flush()
        if self._begin is not None or self._ended:
            return
        self._ended = True
        waiting = self._taken()
        if waiting:
            self._commit_behind(waiting)
            return
        with _no_answer_is_unknown():
            self._session.execute_simple(COMMIT)

    def _commit_behind(self, asked: Sequence[Asked]) -> None:
        """Run these and commit, in one packet: only a loss from then on leaves it unknown."""
        *before, (statement, in_order) = asked
        self._session.prepare([*asked, (COMMIT, ())])
        with _no_answer_is_unknown():
            self._session.ask(statement, in_order, before=before, commit=True)

    def roll_back(self) -> None:
        if self._begin is None:
            self._session.execute_simple("ROLLBACK")

    def _run(self, sql: str, values: dict[str, object]) -> Any:
        self._waiting.append(_readied(sql, values))
        return self._ask_waiting()

    def _ask_waiting(self) -> Any:
        """Run what waits in one packet; the answer is the last one's."""
        *before, (statement, in_order) = self._taken()
        return self._first(
            lambda begin: self._session.ask(statement, in_order, before=[*begin, *before])
        )

    def _taken(self) -> list[Asked]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def _begin_now(self) -> None:
        self.flush()
        self._first(lambda begin: begin and self._session.execute_simple(begin[0][0]))

    def _first(self, ask: Callable[[list[Asked]], T]) -> T:
        """Ask with the BEGIN that is still to be sent, if any.

        A warm Lambda's connection dies while it is frozen. What was sent with its BEGIN and
        without a COMMIT changed nothing, so it may simply be asked again.
        """
        begin: list[Asked] = [] if self._begin is None else [(self._begin, ())]
        self._begin = None
        try:
            return ask(begin)
        except (*_LOST, DatabaseError) as error:
            if not begin or not _is_lost(error):
                raise
            self._session = self._renew()
            return ask(begin)


class Database:
    """A lazily opened connection that is replaced after a loss.

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
        self._begin = "BEGIN READ ONLY" if read_only else "BEGIN"
        self._connection: PipelinedSession | None = None
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
        tx = Transaction(self.session(), self._begin, self._renewed)
        self._inside = True
        try:
            yield tx
            tx.commit()
        except BaseException as error:
            self._roll_back(tx)
            if isinstance(error, CommitUnknown) or (
                isinstance(error, DatabaseError) and _sqlstate(error) == _PLAN_IS_STALE
            ):
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
            return _rows(self.session().ask(*_readied(sql, values)))
        except (*_LOST, DatabaseError) as error:
            if isinstance(error, DatabaseError) and _sqlstate(error) == _PLAN_IS_STALE:
                self.close()
            if not _is_lost(error):
                raise _translated(error) from error
            self.close()
        with self.transaction() as tx:
            return tx.rows(sql, **values)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*_LOST):
                connection.close()

    def session(self) -> PipelinedSession:
        """The raw session, for the migration runner's work outside transactions."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _renewed(self) -> PipelinedSession:
        self.close()
        return self.session()

    def _roll_back(self, tx: Transaction) -> None:
        try:
            tx.roll_back()
        except (*_LOST, DatabaseError):
            self.close()

    def _connect(self) -> PipelinedSession:
        try:
            return self._log_in()
        except SettingsInvalid as refused:
            told = refused.__cause__
            if self._renew is None or told is None or _sqlstate(told) != _WRONG_PASSWORD:
                raise
        self._target = self._renew()
        return self._log_in()

    def _transport(self, timeout_s: float) -> dict[str, object]:
        """pg8000's options for the way there; with a context TLS is required, and checked."""
        target = self._target
        if target.ssl_context is None:
            opened = open_socket(target.host, target.port, timeout_s)
            return {"sock": opened, "ssl_context": False}
        return {
            "host": target.host,
            "port": target.port,
            "timeout": timeout_s,
            "ssl_context": target.ssl_context,
        }

    def _log_in(self) -> PipelinedSession:
        try:
            connection = PipelinedSession(
                self._target.user,
                **self._transport(self._limits.statement_ms / 1000 + 10),
                database=self._target.database,
                password=self._target.password,
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
        # The system's own keep-alive, which pg8000 switches on, waits two hours for its first.
        for option, value in _KEEP_ALIVE:
            connection._usock.setsockopt(socket.IPPROTO_TCP, option, value)
        return connection


@contextmanager
def _no_answer_is_unknown() -> Iterator[None]:
    """Around a COMMIT: what a lost connection means there."""
    try:
        yield
    except DatabaseError as error:
        if _sqlstate(error).startswith(_SESSION_ENDED):
            raise CommitUnknown("the session ended during COMMIT") from error
        raise
    except OSError as error:
        raise CommitUnknown("the connection broke during COMMIT") from error
    except InterfaceError as error:
        # pg8000 says so both for a lost connection and for a COMMIT that Postgres
        # answered with ROLLBACK because an error in the block had been swallowed.
        if "in failed transaction block" in str(error):
            raise RuntimeError("an error inside a unit of work was swallowed") from error
        raise CommitUnknown("the connection broke during COMMIT") from error


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


def log_message(error: BaseException) -> str:
    """What went wrong, in Postgres's own words where it is Postgres that speaks.

    Never a row or a value: details are left out, and what a statement's values were
    complained of for is not quoted.
    """
    if isinstance(error, DatabaseError) and "M" in _facts(error):
        words, sqlstate = _facts(error)["M"], _sqlstate(error)
        if sqlstate.startswith(_DATA_EXCEPTION):
            words = _QUOTED.sub('"…"', words)
        return f"{words} ({sqlstate})"
    return str(error)


def safe_to_raise(error: Exception) -> Exception:
    """The error to raise to whoever logs all of it: the driver's own would tell rows."""
    return StageFailed(log_message(error)) if isinstance(error, DatabaseError) else error


def _facts(error: BaseException) -> dict[str, str]:
    return error.args[0] if error.args and isinstance(error.args[0], dict) else {}


def _sqlstate(error: BaseException) -> str:
    return str(_facts(error).get("C", ""))
