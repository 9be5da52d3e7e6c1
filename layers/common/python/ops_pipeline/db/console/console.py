"""The SQL console: runs one reading statement and returns its rows as JSON.

Four independent layers keep it from changing anything: the login may only read (which is
checked), the transaction is READ ONLY, the extended protocol takes one statement, and
afterwards the transaction is rolled back and the session discarded.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from json import dumps
from typing import Any

from pg8000.exceptions import DatabaseError

from ops_pipeline.db.console import types
from ops_pipeline.db.console.body import body
from ops_pipeline.db.console.bounded import cut_at_emptied_row, with_bounded_values
from ops_pipeline.db.console.login import CHECK_LOGIN, NoTimeLimit, require_limit, require_reader
from ops_pipeline.db.console.placeholders import Bound, bind
from ops_pipeline.db.console.protocol import AnswerAbandoned, Bounds, QueryResult, ask, describe
from ops_pipeline.db.console.refused import reason_behind_a_pooler, reason_to_refuse
from ops_pipeline.db.driver.connection import ConnectionTarget, Database, SessionLimits
from ops_pipeline.db.driver.failures import LOST, error_fields, sqlstate_of
from ops_pipeline.db.driver.wire import PipelinedSession
from ops_pipeline.errors import DatabaseUnavailable, InvalidInput, SettingsInvalid, WrongRole

_LOST = (*LOST, UnicodeError)
_CONNECTION_FAILURE = "08006"
# The server needs a moment to stop a statement at its time limit.
_GRACE_S = 2.0
# An error quotes the value it is about, which may be long.
_ERROR_CHARACTERS = 2_000
# The statement_timeout, or somebody's pg_cancel_backend: another try would take as long.
_CANCELED = "57014"
_TOO_MANY_CONNECTIONS = "53300"
_UNSUPPORTED = "0A000"
_READ_ONLY = "25006"


@dataclass(frozen=True, slots=True)
class ConsoleLimits:
    """What one answer may cost; rows and bytes over it are left out, and the answer says so.

    `body_bytes` counts the body as a string inside JSON, as Lambda sends it (at most 6 MB).
    """

    statement_ms: int = 15_000
    rows: int = 10_000
    body_bytes: int = 5_000_000
    sql_characters: int = 100_000
    params_characters: int = 5_000_000


class Console:
    """Answers statements over one warm connection.

    Args:
        target: The reader's login.
        limits: What one answer may cost.
        renew: Reads the login again when its password is refused.
    """

    def __init__(
        self,
        target: ConnectionTarget,
        limits: ConsoleLimits | None = None,
        renew: Callable[[], ConnectionTarget] | None = None,
    ) -> None:
        self._limits = limits or ConsoleLimits()
        self._database = Database(
            target,
            application_name="ops-pipeline-console",
            limits=SessionLimits(lock_ms=2_000, statement_ms=self._limits.statement_ms),
            read_only=True,
            renew=renew,
        )

    def run(self, sql: object, params: object = None) -> dict[str, Any]:
        """Return `{"statusCode": 200, "body": '{"success": true, "rows": [...]}'}`.

        An error of any kind is statusCode 400 with `{"success": false, "error", "sqlstate"}`
        and, where Postgres names one, the `position` in the statement, from 1.

        Args:
            sql: One statement.
            params: A list for its `$1`, `$2`, or a mapping for its `:name`.
        """
        bound = Bound("")
        try:
            bound = self._with_short_params(bind(self._accepted(sql), params))
            return {"statusCode": 200, "body": self._answer(bound)}
        except (InvalidInput, WrongRole, NoTimeLimit) as error:
            return _refusal(f"{type(error).__name__}: {error}")
        except DatabaseUnavailable as error:
            return _unavailable(error)
        except SettingsInvalid as error:
            if not isinstance(error.__cause__, DatabaseError):
                raise
            return _error_body(error.__cause__, bound)
        except DatabaseError as error:
            return _error_body(error, bound)
        except (AnswerAbandoned, *_LOST) as error:
            self.close()
            return _refusal(f"the connection was closed: {error}", _CONNECTION_FAILURE)

    def close(self) -> None:
        self._database.close()

    def _accepted(self, sql: object) -> str:
        if not isinstance(sql, str) or not sql.strip():
            raise InvalidInput("sql must be a statement")
        if len(sql) > self._limits.sql_characters:
            raise InvalidInput(f"sql is longer than {self._limits.sql_characters} characters")
        try:
            encoded = sql.encode()
        except UnicodeEncodeError:
            raise InvalidInput("sql is not Unicode text") from None
        if b"\0" in encoded:
            raise InvalidInput("sql holds a NUL character")
        if reason := reason_to_refuse(sql):
            raise InvalidInput(reason)
        return sql

    def _with_short_params(self, bound: Bound) -> Bound:
        most = self._limits.params_characters
        if sum(len(value or "") for value in bound.values) > most:
            raise InvalidInput(f"params are longer than {most} characters")
        return bound

    def _answer(self, bound: Bound) -> str:
        session = self._begin()
        try:
            self._require_shareable(bound.sql)
            answer = self._ask(session, bound)
            usable = answer.whole and answer.error is None
            to_json = types.of_columns(session, answer) if usable else {}
        except (DatabaseError, InvalidInput):
            self._end(session)
            raise
        if answer.whole:
            self._end(session)
        else:
            self.close()
        if answer.error is not None:
            raise DatabaseError(answer.error)
        return body(answer, to_json, rows=self._limits.rows, size=self._limits.body_bytes)

    def _require_shareable(self, sql: str) -> None:
        if self._database.pooled and (reason := reason_behind_a_pooler(sql)):
            raise InvalidInput(reason)

    def _ask(self, session: PipelinedSession, bound: Bound) -> QueryResult:
        bounds = Bounds(
            # One more than wanted shows whether there are more.
            rows=self._limits.rows + 1,
            row_bytes=self._limits.body_bytes,
            seconds=self._limits.statement_ms / 1000 + _GRACE_S,
        )
        described = describe(session, bound.sql, bounds)
        if described.error is not None or not described.whole:
            return described
        bounded = with_bounded_values(bound.sql, described.columns, bounds.row_bytes)
        if bounded is None:
            return ask(session, bound.sql, bound.values, bounds)
        answer = ask(session, bounded, bound.values, bounds)
        if answer.error is not None:
            answer.error = _of_the_original(answer.error)
        cut_at_emptied_row(answer, described.columns)
        return answer

    def _begin(self) -> PipelinedSession:
        """A session inside a READ ONLY transaction, checked to be a reader's.

        Nothing of the operator's has run yet, so a warm session that fails here, because it
        is lost or its role was made anew, is replaced once. None is kept after an error: it
        would be in a failed transaction for good.
        """
        warm = self._database.is_open
        try:
            return self._begun()
        except (DatabaseError, *_LOST) as error:
            self.close()
            if not warm or sqlstate_of(error) == _CANCELED:
                raise
        return self._begun()

    def _begun(self) -> PipelinedSession:
        session = self._database.session()
        try:
            begin = "; ".join(self._database.begin())
            if self._database.pooled:
                session.execute_simple(begin)
                found = session.execute_simple(CHECK_LOGIN).rows
            else:
                found = session.execute_simple(f"{begin}; {CHECK_LOGIN}").rows
            self._check_login(found)
        except BaseException:
            self.close()
            raise
        return session

    def _check_login(self, found: list[list[Any]]) -> None:
        require_reader(found)
        require_limit(found, self._limits.statement_ms)

    def _end(self, session: PipelinedSession) -> None:
        try:
            session.execute_simple("ROLLBACK")
            # Behind a pooler it would discard another session, or what others keep in it.
            if not self._database.pooled:
                session.execute_simple("DISCARD ALL")
        except (DatabaseError, *_LOST):
            self.close()


def run(
    target: ConnectionTarget,
    sql: object,
    params: object = None,
    limits: ConsoleLimits | None = None,
) -> dict[str, Any]:
    """Answer one statement over a connection of its own; see `Console.run`."""
    with closing(Console(target, limits)) as console:
        return console.run(sql, params)


def _unavailable(error: DatabaseUnavailable) -> dict[str, Any]:
    """Without its message, which names the host."""
    if sqlstate_of(error.__cause__) == _TOO_MANY_CONNECTIONS:
        return _refusal("busy, try again", _TOO_MANY_CONNECTIONS)
    return _refusal("the database is out of reach", _CONNECTION_FAILURE)


def _of_the_original(error: dict[str, str]) -> dict[str, str]:
    """The error of a statement that ran inside another one: its positions are the other one's."""
    known = {key: value for key, value in error.items() if key != "P"}
    if known.get("C") == _UNSUPPORTED:
        # What may stand alone and not inside is a WITH that writes.
        return {**known, "C": _READ_ONLY, "M": f"the console reads: {known.get('M', '')}"}
    return known


def _error_body(error: DatabaseError, bound: Bound) -> dict[str, Any]:
    fields = error_fields(error)
    message = _shortened(str(fields.get("M", error)))
    if "H" in fields:
        message += f". Hint: {_shortened(fields['H'])}"
    position = bound.original(int(fields["P"])) if "P" in fields else None
    return _refusal(message, fields.get("C"), position)


def _shortened(message: str) -> str:
    if len(message) <= _ERROR_CHARACTERS:
        return message
    return f"{message[:_ERROR_CHARACTERS]} ..."


def _refusal(
    error: str, sqlstate: str | None = None, position: int | None = None
) -> dict[str, Any]:
    answer: dict[str, Any] = {"success": False, "error": error, "sqlstate": sqlstate}
    if position is not None:
        answer["position"] = position
    return {"statusCode": 400, "body": dumps(answer)}
