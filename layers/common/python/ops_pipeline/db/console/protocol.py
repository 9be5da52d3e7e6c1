"""One statement by the extended protocol, its answer bounded while it is being read.

pg8000 asks for all rows and keeps them; a single value may be a gigabyte. Here the server
stops after the rows wanted, and a message too long to keep is never read.
"""

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ops_pipeline.db.driver.wire import PipelinedSession

_HEAD = struct.Struct("!ci")
_COUNT = struct.Struct("!H")
_LENGTH = struct.Struct("!i")
_AFTER_NAME = struct.Struct("!ihihih")
_NULL_LENGTH = -1
# For messages other than rows. An error quotes the value it is about, even of a gigabyte; a
# setting that is reported back may be as long. 1,664 columns with the longest names: 150 kB.
_MOST_BYTES = 1_000_000
_ENOUGH_OF_AN_ERROR = 8_000


class AnswerAbandoned(Exception):
    """The rest of the answer was not read, so the connection cannot be used any more."""


class Column(NamedTuple):
    """A column of an answer: its type's oid, and the type's size in bytes, -1 for any length."""

    name: str
    oid: int
    size: int


@dataclass(slots=True)
class QueryResult:
    """The answer to one statement.

    Attributes:
        columns: Of each row.
        rows: Values as Postgres's text, None for NULL.
        whole: False when the limit of bytes or time was reached; the connection is then useless.
        cut: Whether the server kept back a row for its length, and those after it are left out.
        error: Why Postgres refused it, by its field letters.
    """

    columns: list[Column] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)
    whole: bool = True
    cut: bool = False
    error: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of an answer is read."""

    rows: int
    row_bytes: int
    seconds: float


def describe(session: PipelinedSession, sql: str, bounds: Bounds) -> QueryResult:
    """The columns that one statement would answer with, none if it has no rows; or its error."""
    session.send_description(sql)
    return _read_answer(session, bounds)


def ask(
    session: PipelinedSession, sql: str, values: Sequence[str | None], bounds: Bounds
) -> QueryResult:
    """Run one statement with `$1` placeholders filled from `values`, as text.

    Raises:
        AnswerAbandoned: it copies to or from the client, or its answer is too long to read.
    """
    session.send_unnamed(sql, values, bounds.rows)
    return _read_answer(session, bounds)


def _read_answer(session: PipelinedSession, bounds: Bounds) -> QueryResult:
    answer = QueryResult()
    left = bounds.row_bytes
    deadline = time.monotonic() + bounds.seconds
    while True:
        code, length = _HEAD.unpack(session.read_exactly(_HEAD.size))
        size = length - _LENGTH.size
        if code == b"D":
            left -= size
            if left < 0 or time.monotonic() > deadline:
                answer.whole = False
                return answer
            answer.rows.append(_values(session.read_exactly(size)))
        elif size > _MOST_BYTES:
            _read_in_part(session, code, answer)
            return answer
        elif _take(answer, code, session.read_exactly(size)):
            return answer


def _read_in_part(session: PipelinedSession, code: bytes, answer: QueryResult) -> None:
    """Keep the beginning of an error that is too long; it says what is wrong."""
    if code != b"E":
        raise AnswerAbandoned("its answer contains a message too long to read")
    answer.error = _error(session.read_exactly(_ENOUGH_OF_AN_ERROR))
    answer.whole = False


def _take(answer: QueryResult, code: bytes, data: bytes) -> bool:
    """Take in a message other than a row; True if it is the last one."""
    match code:
        case b"T":
            answer.columns = _columns(data)
        case b"E":
            answer.error = _error(data)
        case b"G" | b"H" | b"W":
            raise AnswerAbandoned("COPY is not allowed in the console: select the rows")
    return code == b"Z"


def _columns(data: bytes) -> list[Column]:
    found, at = [], _COUNT.size
    for _ in range(_COUNT.unpack_from(data)[0]):
        end = data.index(b"\0", at)
        name = data[at:end].decode(errors="backslashreplace")
        _, _, oid, size, _, _ = _AFTER_NAME.unpack_from(data, end + 1)
        # An oid is unsigned.
        found.append(Column(name, oid & 0xFFFFFFFF, size))
        at = end + 1 + _AFTER_NAME.size
    return found


def _values(data: bytes) -> list[str | None]:
    found: list[str | None] = []
    at = _COUNT.size
    unpack = _LENGTH.unpack_from
    for _ in range(_COUNT.unpack_from(data)[0]):
        length = unpack(data, at)[0]
        at += 4
        if length == _NULL_LENGTH:
            found.append(None)
            continue
        # Only a SQL_ASCII database can hold text that is not UTF-8.
        found.append(str(data[at : at + length], "utf-8", "backslashreplace"))
        at += length
    return found


def _error(data: bytes) -> dict[str, str]:
    parts = (part for part in data.split(b"\0") if part)
    return {chr(part[0]): part[1:].decode(errors="backslashreplace") for part in parts}
