"""The statements of one unit of work."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from pg8000.exceptions import DatabaseError, InterfaceError

from ops_pipeline.db.driver.failures import (
    DIVISION_BY_ZERO,
    LOST,
    is_drivers,
    is_lost,
    lost_connection_is_unknown,
    sqlstate_of,
    translated,
)
from ops_pipeline.db.driver.wire import COMMIT, BoundStatement, PipelinedSession, numbered
from ops_pipeline.errors import OpsError

Row = dict[str, Any]
T = TypeVar("T")


def bound_statement(sql: str, values: dict[str, object]) -> BoundStatement:
    """The statement with `$1` placeholders, and its values in their order."""
    statement, make_values = numbered(sql)
    try:
        return statement, make_values(values)
    except InterfaceError as error:
        raise ValueError(str(error)) from error


def rows_of(context: Any) -> list[Row]:
    """The rows in pg8000's context of a statement, by column name."""
    if not context.columns:
        return []
    names = [column["name"] for column in context.columns]
    return [dict(zip(names, row, strict=True)) for row in context.rows]


class Transaction:
    """The statements of one unit of work; made by `Database.transaction` alone.

    It begins with its first statement, in the same round trip. Statements given to `enqueue`
    are sent with the next statement whose answer is needed, or with the commit.
    """

    def __init__(
        self,
        session: PipelinedSession,
        begin: Callable[[], Sequence[str]],
        reconnect: Callable[[], PipelinedSession],
    ) -> None:
        self._session = session
        self._begin: Callable[[], Sequence[str]] | None = begin
        self._queued: list[BoundStatement] = []
        self._reconnect = reconnect
        self._ended = False

    def begin(self) -> None:
        """Begin now, not with the first statement: a lost session is replaced here."""
        self._begin_now()

    def rows(self, sql: str, **values: object) -> list[Row]:
        """Run one statement with `:name` placeholders and return its rows, in order."""
        return rows_of(self._run(sql, values))

    def one(self, sql: str, **values: object) -> Row | None:
        """The first row, or None."""
        found = self.rows(sql, **values)
        return found[0] if found else None

    def execute(self, sql: str, **values: object) -> int:
        """Run one statement and return how many rows it touched."""
        return int(self._run(sql, values).row_count)

    def enqueue(self, sql: str, **values: object) -> None:
        """Run one statement whose answer is not needed, in one packet with the next one.

        Its error is raised there: at the next statement, or at the end of the unit of work.
        """
        self._queued.append(bound_statement(sql, values))

    def flush(self) -> None:
        """Run the queued statements now."""
        if self._queued:
            self._run_queued()

    def script(self, sql: str) -> None:
        """Run several statements without parameters; the block still commits as one."""
        encoded = sql.encode()
        self.stream(len(encoded), (encoded,))

    def stream(self, size: int, chunks: Iterable[bytes]) -> None:
        """`script` for a long one, `size` bytes in chunks; rows are discarded as they come."""
        self._begin_now()
        self._session.stream(size, chunks)

    def copy_in(self, sql: str, lines: Iterable[bytes]) -> int:
        """Feed `COPY ... FROM STDIN` from encoded lines; returns how many rows arrived."""
        self._begin_now()
        context = self._session.execute_unnamed(sql, vals=(), stream=iter(lines))
        return int(context.row_count)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What the block writes stands or falls by itself; the unit of work goes on either way.

        An error of the block is raised in this package's own terms.
        """
        self.execute("SAVEPOINT item")
        try:
            yield
            self.flush()
        except Exception as error:
            self._queued.clear()
            if not (is_drivers(error) and is_lost(error)):
                self.execute("ROLLBACK TO SAVEPOINT item")
                self.execute("RELEASE SAVEPOINT item")
            if is_drivers(error):
                raise translated(error) from error
            raise
        self.execute("RELEASE SAVEPOINT item")

    def commit_with(self, sql: str) -> None:
        """Run several statements and commit in one round trip; if one fails, nothing is done.

        Raises:
            CommitUnknown: the connection broke meanwhile.
        """
        self._begin_now()
        with lost_connection_is_unknown():
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
        statement, in_order = bound_statement(sql, values)
        try:
            self._commit_behind([*self._take_queued(), (statement, in_order)])
        except DatabaseError as error:
            failed = getattr(error, "failed_statement", None)
            if sqlstate_of(error) == DIVISION_BY_ZERO and failed == statement:
                raise lost from error
            raise
        self._ended = True

    def commit(self) -> None:
        """Commit, unless nothing was done or it is committed already."""
        if self._begin is not None:
            self.flush()
        if self._begin is not None or self._ended:
            return
        self._ended = True
        queued = self._take_queued()
        if queued:
            self._commit_behind(queued)
            return
        with lost_connection_is_unknown():
            self._session.execute_simple(COMMIT)

    def roll_back(self) -> None:
        if self._begin is None:
            self._session.execute_simple("ROLLBACK")

    def _commit_behind(self, statements: Sequence[BoundStatement]) -> None:
        """Run these and commit, in one packet: only a loss after it is sent is unknown."""
        *before, (statement, in_order) = statements
        self._session.prepare([*statements, (COMMIT, ())])
        with lost_connection_is_unknown():
            self._session.execute(statement, in_order, before=before, commit=True)

    def _run(self, sql: str, values: dict[str, object]) -> Any:
        self._queued.append(bound_statement(sql, values))
        return self._run_queued()

    def _run_queued(self) -> Any:
        """Run the queued statements in one packet; the answer is the last one's."""
        *before, (statement, in_order) = self._take_queued()
        return self._with_begin(
            lambda begin: self._session.execute(statement, in_order, before=[*begin, *before])
        )

    def _take_queued(self) -> list[BoundStatement]:
        queued, self._queued = self._queued, []
        return queued

    def _begin_now(self) -> None:
        self.flush()
        self._with_begin(
            lambda begin: begin and self._session.execute_simple("; ".join(sql for sql, _ in begin))
        )

    def _with_begin(self, send: Callable[[list[BoundStatement]], T]) -> T:
        """Send with the BEGIN that is still due, if any.

        A warm Lambda's connection dies while it is frozen. What was sent with its BEGIN and
        without a COMMIT changed nothing, so it may simply be sent again.
        """
        begin, self._begin = self._begin, None
        if begin is None:
            return send([])
        try:
            return send([(sql, ()) for sql in begin()])
        except (*LOST, DatabaseError) as error:
            if not is_lost(error):
                raise
        self._session = self._reconnect()
        return send([(sql, ()) for sql in begin()])
