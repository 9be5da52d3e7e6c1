"""The SQL console: one reading statement in, its rows as JSON out, no trace left behind.

Four layers, each of which holds without the others: the login may only read (checked,
not believed), the transaction is READ ONLY, the extended protocol takes one statement,
and after it the transaction is rolled back and the session discarded.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from json import dumps, loads
from typing import Any

from pg8000.core import DESCRIBE, EXECUTE, NULL_BYTE, PORTAL, SYNC_MSG, Context, i_pack
from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection

from ops_pipeline.db.connection import Database, Limits, Target
from ops_pipeline.db.json_values import TO_JSON, text_to_json
from ops_pipeline.errors import DatabaseUnavailable, InvalidInput, WrongRole

_LOST = (InterfaceError, OSError, EOFError, UnicodeError)
_CONNECTION_FAILURE = "08006"

# The first thing that this login may do and a reader may not; NULL when there is none.
_TOO_MUCH = """
    SELECT CASE
        WHEN rolsuper THEN 'is superuser'
        WHEN rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
            THEN 'may change the cluster'
        WHEN EXISTS (
            SELECT FROM pg_roles AS granted
            WHERE granted.rolname IN ('pg_read_server_files', 'pg_write_server_files',
                'pg_execute_server_program', 'pg_write_all_data', 'pg_signal_backend')
            AND pg_has_role(session_user, granted.oid, 'MEMBER')
        ) THEN 'has a server role'
        WHEN EXISTS (
            SELECT FROM pg_database
            WHERE datname = current_database() AND pg_has_role(session_user, datdba, 'MEMBER')
        ) THEN 'owns the database'
        WHEN EXISTS (
            SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
            AND nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'
            AND (pg_has_role(session_user, relowner, 'MEMBER')
                OR has_table_privilege(pg_class.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
        ) THEN 'may write tables'
    END
    FROM pg_roles WHERE rolname = session_user
"""


@dataclass(frozen=True, slots=True)
class ConsoleLimits:
    """What one answer may cost; rows and bytes over it are cut off and said to be."""

    statement_ms: int = 15_000
    rows: int = 10_000
    body_bytes: int = 5_000_000
    sql_characters: int = 100_000


class Console:
    """Answers statements over one warm connection.

    Args:
        target: The reader's login.
        limits: What one answer may cost.
    """

    def __init__(self, target: Target, limits: ConsoleLimits | None = None) -> None:
        self._limits = limits or ConsoleLimits()
        self._database = Database(
            target,
            application_name="ops-pipeline-console",
            limits=Limits(lock_ms=2_000, statement_ms=self._limits.statement_ms),
            read_only=True,
        )
        self._checked: Connection | None = None

    def run(self, sql: object) -> dict[str, Any]:
        """Return `{"statusCode": 200, "body": '{"success": true, "rows": [...]}'}`.

        An error of any kind is statusCode 400 with `{"success": false, "error", "sqlstate"}`
        and, where Postgres names one, the `position` in the statement, from 1.
        """
        try:
            return {"statusCode": 200, "body": self._answer(self._accepted(sql))}
        except (InvalidInput, WrongRole) as error:
            return _refusal(f"{type(error).__name__}: {error}")
        except DatabaseUnavailable:
            # Its message names the host.
            return _refusal("the database is out of reach", _CONNECTION_FAILURE)
        except DatabaseError as error:
            return _in_words(error)
        except _LOST as error:
            self.close()
            return _refusal(f"the connection was given up: {error}", _CONNECTION_FAILURE)

    def close(self) -> None:
        self._checked = None
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
        return sql

    def _answer(self, sql: str) -> str:
        session = self._begin()
        try:
            self._check_login(session)
            columns, rows = _execute(session, sql, self._limits.rows + 1)
        except DatabaseError:
            self._end(session)
            raise
        except WrongRole:
            self.close()
            raise
        self._end(session)
        return _body(columns, rows, self._limits)

    def _begin(self) -> Connection:
        """A session inside a READ ONLY transaction; one that died meanwhile is replaced."""
        session = self._database.session()
        try:
            session.execute_simple("BEGIN READ ONLY")
        except _LOST:
            self.close()
            session = self._database.session()
            session.execute_simple("BEGIN READ ONLY")
        session.pg_types = _JSON_TYPES
        return session

    def _check_login(self, session: Connection) -> None:
        if self._checked is session:
            return
        _, rows = _execute(session, _TOO_MUCH, 1)
        if rows[0][0] is not None:
            raise WrongRole(f"this login {loads(rows[0][0])}: the console takes a reader's only")
        self._checked = session

    def _end(self, session: Connection) -> None:
        try:
            session.execute_simple("ROLLBACK")
            session.execute_simple("DISCARD ALL")
        except (DatabaseError, *_LOST):
            self.close()


def run(target: Target, sql: object, limits: ConsoleLimits | None = None) -> dict[str, Any]:
    """Answer one statement over a connection of its own; see `Console.run`."""
    with closing(Console(target, limits)) as console:
        return console.run(sql)


_JSON_TYPES = defaultdict(lambda: text_to_json, TO_JSON)


def _execute(
    session: Connection, sql: str, row_limit: int
) -> tuple[list[dict[str, Any]], list[list[str | None]]]:
    """Run one statement by the extended protocol and fetch at most `row_limit` rows.

    pg8000's own execute_unnamed always asks for all rows; here the server stops early.
    """
    context = Context(sql)
    session.send_PARSE(NULL_BYTE, sql)
    session.send_BIND(NULL_BYTE, ())
    session._send_message(DESCRIBE, PORTAL + NULL_BYTE)
    session._send_message(EXECUTE, NULL_BYTE + i_pack(row_limit))
    session._sock.write(SYNC_MSG)
    session._sock.flush()
    session.handle_messages(context)
    return context.columns or [], context.rows or []


def _body(
    columns: Sequence[dict[str, Any]], rows: Sequence[Sequence[str | None]], limits: ConsoleLimits
) -> str:
    keys = [f"{text_to_json(name)}: " for name in unique_names([c["name"] for c in columns])]
    pieces: list[str] = []
    size = 0
    for row in rows[: limits.rows]:
        values = ["null" if value is None else value for value in row]
        piece = f"{{{', '.join(map(str.__add__, keys, values))}}}"
        size += len(piece) + 2
        if size > limits.body_bytes:
            break
        pieces.append(piece)
    truncated = ', "truncated": true' if len(pieces) < len(rows) else ""
    return f'{{"success": true, "rows": [{", ".join(pieces)}]{truncated}}}'


def unique_names(names: Sequence[str]) -> list[str]:
    """Names as keys of one object: the second `n` becomes `n_2`."""
    found: list[str] = []
    for name in names:
        unique, number = name, 1
        while unique in found or (number > 1 and unique in names):
            number += 1
            unique = f"{name}_{number}"
        found.append(unique)
    return found


def _in_words(error: DatabaseError) -> dict[str, Any]:
    facts = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    words = str(facts.get("M", error))
    if "H" in facts:
        words += f". Hint: {facts['H']}"
    position = int(facts["P"]) if "P" in facts else None
    return _refusal(words, facts.get("C"), position)


def _refusal(
    error: str, sqlstate: str | None = None, position: int | None = None
) -> dict[str, Any]:
    body: dict[str, Any] = {"success": False, "error": error, "sqlstate": sqlstate}
    if position is not None:
        body["position"] = position
    return {"statusCode": 400, "body": dumps(body)}
