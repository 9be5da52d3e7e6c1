"""A pg8000 session that remembers its statements and sends together what belongs together.

Most of a small statement's time is the round trip. pg8000 asks for a flush after each
message, so that the server answers in several packets; here a statement is one packet
each way, together with the statements before it or the COMMIT behind it.

No other module uses pg8000's private names: docs/decisions/0031-pipelined-protocol.md.
"""

import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from struct import pack, unpack_from
from typing import Any, TypeAlias

import pg8000.native
from pg8000.converters import TIMESTAMPTZ, array_out, make_params, timestamptz_in
from pg8000.core import (
    COMMAND_COMPLETE,
    DATA_ROW,
    EMPTY_QUERY_RESPONSE,
    READY_FOR_QUERY,
    Context,
    _read,
    ci_unpack,
)
from pg8000.exceptions import InterfaceError

from ops_pipeline.errors import SettingsInvalid

# Far more than the package has; statements beyond it are parsed at each run.
_MOST_PREPARED = 400
_DISCARDED_AT_ONCE = 1 << 16
# Kinds of AuthenticationRequest.
_TELLS_THE_PASSWORD = {3: "in clear text", 5: "as MD5"}
_SASL = 10
_UNNAMED = b"\x00"
_SYNC = b"S" + pack("!i", 4)
_DESCRIBE_PORTAL = b"D" + pack("!i", 4 + 1 + 1) + b"P" + _UNNAMED
_DESCRIBE_STATEMENT = b"D" + pack("!i", 4 + 1 + 1) + b"S" + _UNNAMED
COMMIT = "COMMIT"
# str() of these is text that Postgres reads.
_WRITTEN_AS_IS = (str, int, float, bool, datetime, type(None))
# A statement with `$1` placeholders, and its values in order.
BoundStatement: TypeAlias = tuple[str, Sequence[object]]


@lru_cache(maxsize=512)
def numbered(sql: str) -> tuple[str, Callable[[dict[str, object]], tuple[object, ...]]]:
    """The statement with `$1` for each `:name`, and a function that orders the values."""
    return pg8000.native.to_statement(sql)  # type: ignore[no-any-return]


def moment_in(text: str) -> object:
    """What pg8000 makes of a timestamptz, in a tenth of the time where a year has four digits."""
    if text[4:5] == "-" and text.endswith("+00"):
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    return timestamptz_in(text)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement that the server has parsed already."""

    name: bytes
    columns: Any
    input_funcs: Any


class PipelinedSession(pg8000.native.Connection):  # type: ignore[misc]  # pg8000 ships no types
    """One login; not thread safe, as pg8000 is not."""

    def __init__(self, user: str, **options: object) -> None:
        super().__init__(user, **options)
        self._prepared_by_text: dict[str, _Prepared] = {}
        self._keeps_statements = True
        self.register_out_adapter(list, _array_text)
        self.register_in_adapter(TIMESTAMPTZ, moment_in)

    @property
    def announced_pid(self) -> int:
        """The process that the other end says it is; a pooler makes up a number."""
        return int(unpack_from("!i", self._backend_key_data)[0])

    def keep_no_statements(self) -> None:
        """From now on name no statement: another one's of that name may be there, or none."""
        self._keeps_statements = False

    def set_timeout(self, seconds: float) -> None:
        """How long to wait for the server's next bytes."""
        self._usock.settimeout(seconds)

    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Context) -> None:  # noqa: N802 - pg8000's
        """Prove the password to a server that proves in turn that it knows it, and to no other."""
        method = unpack_from("!i", data)[0]
        if method in _TELLS_THE_PASSWORD:
            raise SettingsInvalid(
                f"the server asks for the password {_TELLS_THE_PASSWORD[method]}, which is "
                f"refused: set password_encryption to scram-sha-256 and the password anew"
            )
        if method == _SASL and self.password is None:
            raise SettingsInvalid("the server asks for a password, and there is none")
        super().handle_AUTHENTICATION_REQUEST(data, context)

    def set_tcp_option(self, option: int, value: int) -> None:
        self._usock.setsockopt(socket.IPPROTO_TCP, option, value)

    def execute(
        self,
        statement: str,
        values: Sequence[object],
        *,
        before: Sequence[BoundStatement] = (),
        commit: bool = False,
    ) -> Any:
        """Run one statement with `$1` placeholders; its result is in pg8000's context.

        Args:
            before: Statements to run first, whose answers are not needed: BEGIN, writes.
            commit: Commit behind it, unless anything fails.

        Up to the Sync at the packet's end Postgres skips everything behind an error: a
        statement never runs without its BEGIN, nor a COMMIT behind a failed statement.
        """
        statements = [*before, (statement, values), *([(COMMIT, ())] if commit else [])]
        if not self._keeps_statements:
            return self._execute_unnamed(statements)[len(before)]
        prepared = [each for text, _ in statements if (each := self._prepared(text))]
        if len(prepared) < len(statements):
            return self._run_separately(statements)[len(before)]
        contexts, packet = [], []
        for each, (text, given) in zip(prepared, statements, strict=True):
            contexts.append(Context(text, columns=each.columns, input_funcs=each.input_funcs))
            packet += [_bind(each.name, self._encoded(given)), _EXECUTE_ALL]
        self._send(b"".join([*packet, _SYNC]))
        self._receive(contexts)
        return contexts[len(before)]

    def prepare(self, statements: Sequence[BoundStatement]) -> None:
        """Let the server parse statements it does not know yet, before any of them is run."""
        for statement, _ in statements if self._keeps_statements else ():
            self._prepared(statement)

    def _execute_unnamed(self, statements: Sequence[BoundStatement]) -> list[Context]:
        """Run statements in one packet, each of them parsed for this once."""
        packet = []
        for text, given in statements:
            encoded = text.encode(self._client_encoding)
            bound = _bind(_UNNAMED, self._encoded(given))
            packet += [_parse(_UNNAMED, encoded), bound, _DESCRIBE_PORTAL, _EXECUTE_ALL]
        self._send(*packet, _SYNC)
        contexts = [Context(text) for text, _ in statements]
        self._receive(contexts)
        return contexts

    def stream(self, size: int, chunks: Iterable[bytes]) -> None:
        """Run statements by the simple protocol; their rows are discarded as they come.

        Args:
            size: How many bytes the SQL has.
            chunks: The SQL.
        """
        self._send(b"Q" + pack("!i", 4 + size + 1), *chunks, b"\x00")
        context = Context("script")
        code = None
        try:
            while code != READY_FOR_QUERY:
                code, length = ci_unpack(_read(self._sock, 5))
                if code == DATA_ROW:
                    self._discard(length - 4)
                else:
                    self.message_types[code](_read(self._sock, length - 4), context)
        except BaseException:
            self._give_up()
            raise
        if context.error is not None:
            raise context.error

    def send_unnamed(self, sql: str, values: Sequence[str | None], most_rows: int) -> None:
        """Send one statement that the server forgets again; `read_exactly` gets its answer.

        Args:
            values: As text, for `$1`, `$2`.
            most_rows: The server stops after so many; 0 means all.
        """
        encoded = [None if each is None else each.encode(self._client_encoding) for each in values]
        parts = [
            _parse(_UNNAMED, sql.encode(self._client_encoding)),
            _bind(_UNNAMED, encoded),
            _DESCRIBE_PORTAL,
            _execute(most_rows),
            _SYNC,
        ]
        self._send(b"".join(parts))

    def send_description(self, sql: str) -> None:
        """Ask which columns a statement has, without running it; `read_exactly` gets the answer."""
        parsed = _parse(_UNNAMED, sql.encode(self._client_encoding))
        self._send(b"".join([parsed, _DESCRIBE_STATEMENT, _SYNC]))

    def read_exactly(self, size: int) -> bytes:
        """The next bytes of the server's answer.

        Raises:
            EOFError: the server closed the connection.
        """
        data: bytes = self._sock.read(size)
        if len(data) < size:
            raise EOFError("the server closed the connection")
        return data

    def _receive(self, contexts: Sequence[Context]) -> None:
        """Read the answers of statements sent together; raise the error of the first that failed.

        Each ends with its CommandComplete; behind an error comes nothing but the end.
        """
        place, code = 0, None
        try:
            while code != READY_FOR_QUERY:
                code, length = ci_unpack(_read(self._sock, 5))
                data = _read(self._sock, length - 4)
                self.message_types[code](data, contexts[min(place, len(contexts) - 1)])
                if code in (COMMAND_COMPLETE, EMPTY_QUERY_RESPONSE):
                    place += 1
        except BaseException:
            self._give_up()
            raise
        for context in contexts:
            if context.error is not None:
                context.error.failed_statement = context.statement
                raise context.error

    def _discard(self, size: int) -> None:
        while size > 0:
            size -= len(_read(self._sock, min(size, _DISCARDED_AT_ONCE)))

    def _give_up(self) -> None:
        """Unread messages would be taken for the answer to the next statement."""
        with suppress(Exception):
            self.close()

    def _run_separately(self, statements: Sequence[BoundStatement]) -> list[Context]:
        return [
            self.execute_unnamed(text, vals=values) if values else self.execute_simple(text)
            for text, values in statements
        ]

    def _prepared(self, statement: str) -> _Prepared | None:
        found = self._prepared_by_text.get(statement)
        if found is None and len(self._prepared_by_text) < _MOST_PREPARED:
            found = _Prepared(*self.prepare_statement(statement, ()))
            self._prepared_by_text[statement] = found
        return found

    def _encoded(self, values: Sequence[object]) -> list[bytes | None]:
        texts = make_params(self.py_types, values)
        return [None if text is None else text.encode(self._client_encoding) for text in texts]

    def _send(self, *packet: bytes) -> None:
        """Raises InterfaceError, as pg8000's own sending does, when the session is gone."""
        if self._sock is None:
            raise InterfaceError("connection is closed")
        try:
            for piece in packet:
                self._sock.write(piece)
            self._sock.flush()
        except (OSError, ValueError) as error:
            raise InterfaceError("network error") from error


def _message(code: bytes, body: bytes) -> bytes:
    return code + pack("!i", len(body) + 4) + body


def _parse(name: bytes, sql: bytes) -> bytes:
    """Parse; the server finds the types of the placeholders."""
    return _message(b"P", b"".join([name, sql, b"\x00", pack("!h", 0)]))


def _bind(name: bytes, values: Sequence[bytes | None]) -> bytes:
    """Bind to the unnamed portal, all values as text, all results as text."""
    parts = [b"\x00", name, pack("!hH", 0, len(values))]
    for value in values:
        parts += [pack("!i", -1)] if value is None else [pack("!i", len(value)), value]
    return _message(b"B", b"".join([*parts, pack("!h", 0)]))


def _execute(most_rows: int) -> bytes:
    return _message(b"E", b"\x00" + pack("!i", most_rows))


_EXECUTE_ALL = _execute(0)


def _array_text(values: list[object]) -> str:
    """An array in Postgres's text form; pg8000's own conversion takes over twice as long."""
    if not all(type(value) in _WRITTEN_AS_IS for value in values):
        return str(array_out(values))
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    text = str(value)
    if isinstance(value, str):
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
