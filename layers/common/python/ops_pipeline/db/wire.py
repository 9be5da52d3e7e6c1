"""A pg8000 session that remembers its statements and sends together what belongs together.

Most of a small statement's time is the round trip. pg8000 asks for a flush after each
message, so that the server answers in several packets; here a statement is one packet
each way, with the BEGIN before it or the COMMIT behind it in the same one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack
from typing import Any

import pg8000.native
from pg8000.converters import make_params
from pg8000.core import Context
from pg8000.exceptions import InterfaceError

# Far more than the package has; statements beyond it are parsed at each run.
_MOST_PREPARED = 400
_EXECUTE = b"E" + pack("!i", 4 + 1 + 4) + b"\x00" + pack("!i", 0)
_SYNC = b"S" + pack("!i", 4)
COMMIT = "COMMIT"


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement that the server has parsed already."""

    name: bytes
    columns: Any
    input_funcs: Any


class Session(pg8000.native.Connection):  # type: ignore[misc]  # pg8000 ships no types
    """One login; not thread safe, as pg8000 is not."""

    def __init__(self, user: str, **options: object) -> None:
        super().__init__(user, **options)
        self._known: dict[str, _Prepared] = {}

    def ask(
        self,
        statement: str,
        values: Sequence[object],
        *,
        before: str | None = None,
        commit: bool = False,
    ) -> Any:
        """Run one statement with `$1` placeholders; pg8000's context holds what came of it.

        Args:
            before: A statement to run first, BEGIN.
            commit: Commit behind it, unless it fails.

        Up to the Sync at the packet's end Postgres skips everything behind an error: a
        statement never runs without its BEGIN, nor a COMMIT behind a failed statement.
        """
        known = self._prepared(statement)
        if known is None:
            return self._one_by_one(statement, values, before, commit)
        packet = b"".join(
            (
                self._run_message(before),
                self._bound(known, make_params(self.py_types, values)),
                self._run_message(COMMIT if commit else None),
                _SYNC,
            )
        )
        context = Context(statement, columns=known.columns, input_funcs=known.input_funcs)
        self._send(packet)
        self.handle_messages(context)
        return context

    def _one_by_one(
        self, statement: str, values: Sequence[object], before: str | None, commit: bool
    ) -> Any:
        if before:
            self.execute_simple(before)
        context = self.execute_unnamed(statement, vals=values)
        if commit:
            self.execute_simple(COMMIT)
        return context

    def _prepared(self, statement: str) -> _Prepared | None:
        found = self._known.get(statement)
        if found is None and len(self._known) < _MOST_PREPARED:
            found = _Prepared(*self.prepare_statement(statement, ()))
            self._known[statement] = found
        return found

    def _run_message(self, statement: str | None) -> bytes:
        """A statement without parameters and rows; nothing for None."""
        if statement is None:
            return b""
        known = self._prepared(statement)
        assert known is not None  # noqa: S101 - BEGIN and COMMIT are among the first prepared
        return self._bound(known, ())

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
