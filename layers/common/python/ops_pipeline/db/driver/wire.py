"""A pg8000 session that remembers its statements and sends together what belongs together.

Most of a small statement's time is the round trip. pg8000 asks for a flush after each
message, so that the server answers in several packets; here a statement is one packet
each way, with what goes before it or the COMMIT behind it in the same one.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from struct import pack
from typing import Any, TypeAlias

import pg8000.native
from pg8000.converters import array_out, make_params
from pg8000.core import (
    COMMAND_COMPLETE,
    EMPTY_QUERY_RESPONSE,
    READY_FOR_QUERY,
    Context,
    _read,
    ci_unpack,
)
from pg8000.exceptions import InterfaceError

# Far more than the package has; statements beyond it are parsed at each run.
_MOST_PREPARED = 400
_EXECUTE = b"E" + pack("!i", 4 + 1 + 4) + b"\x00" + pack("!i", 0)
_SYNC = b"S" + pack("!i", 4)
COMMIT = "COMMIT"
# What str() gives of these is what Postgres reads.
_WRITTEN_AS_IS = (str, int, float, bool, datetime, type(None))
Asked: TypeAlias = tuple[str, Sequence[object]]


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
        self._known: dict[str, _Prepared] = {}
        self.register_out_adapter(list, _array_text)

    def ask(
        self,
        statement: str,
        values: Sequence[object],
        *,
        before: Sequence[Asked] = (),
        commit: bool = False,
    ) -> Any:
        """Run one statement with `$1` placeholders; pg8000's context holds what came of it.

        Args:
            before: Statements to run first, whose answers nobody needs: BEGIN, writes.
            commit: Commit behind it, unless anything fails.

        Up to the Sync at the packet's end Postgres skips everything behind an error: a
        statement never runs without its BEGIN, nor a COMMIT behind a failed statement.
        """
        asked = [*before, (statement, values), *([(COMMIT, ())] if commit else [])]
        known = [each for text, _ in asked if (each := self._prepared(text))]
        if len(known) < len(asked):
            return self._one_by_one(asked)[len(before)]
        contexts, packet = [], []
        for each, (text, given) in zip(known, asked, strict=True):
            contexts.append(Context(text, columns=each.columns, input_funcs=each.input_funcs))
            packet.append(self._bound(each, make_params(self.py_types, given)))
        self._send(b"".join([*packet, _SYNC]))
        self._hear(contexts)
        return contexts[len(before)]

    def _hear(self, contexts: Sequence[Context]) -> None:
        """Read the answers of statements sent together; raises the error of the first that failed.

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
            # What is left unread would be taken for the answer to the next statement.
            with suppress(Exception):
                self.close()
            raise
        for context in contexts:
            if context.error is not None:
                context.error.failed_statement = context.statement
                raise context.error

    def prepare(self, asked: Sequence[Asked]) -> None:
        """Let the server parse what is not parsed yet, before anything of it is run."""
        for statement, _ in asked:
            self._prepared(statement)

    def _one_by_one(self, asked: Sequence[Asked]) -> list[Context]:
        return [
            self.execute_unnamed(text, vals=values) if values else self.execute_simple(text)
            for text, values in asked
        ]

    def _prepared(self, statement: str) -> _Prepared | None:
        found = self._known.get(statement)
        if found is None and len(self._known) < _MOST_PREPARED:
            found = _Prepared(*self.prepare_statement(statement, ()))
            self._known[statement] = found
        return found

    def _bound(self, known: _Prepared, values: Sequence[str | None]) -> bytes:
        """Bind, all values as text, and Execute."""
        parts = [b"\x00", known.name, pack("!hh", 0, len(values))]
        for value in values:
            if value is None:
                parts.append(pack("!i", -1))
            else:
                encoded = value.encode(self._client_encoding)
                parts += (pack("!i", len(encoded)), encoded)
        body = b"".join([*parts, pack("!h", 0)])
        return b"B" + pack("!i", len(body) + 4) + body + _EXECUTE

    def _send(self, packet: bytes) -> None:
        """Raises InterfaceError, as pg8000's own sending does, when the session is gone."""
        if self._sock is None:
            raise InterfaceError("connection is closed")
        try:
            self._sock.write(packet)
            self._sock.flush()
        except (OSError, ValueError) as error:
            raise InterfaceError("network error") from error


def _array_text(values: list[object]) -> str:
    """An array in Postgres's text form; pg8000's own way takes 10 us for each element."""
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
