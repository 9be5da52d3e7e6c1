"""One statement by the extended protocol, read under limits that hold while it comes in.

pg8000's own way asks for all rows and keeps them; a single value may be a gigabyte. Here
the server stops after the rows wanted, and a message too long to keep is never read.
"""

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pg8000.core import DESCRIBE, EXECUTE, NULL_BYTE, PORTAL, SYNC_MSG, i_pack
from pg8000.native import Connection

_HEAD = struct.Struct("!ci")
_COUNT = struct.Struct("!H")
_LENGTH = struct.Struct("!i")
_AFTER_NAME = struct.Struct("!ihihih")
_NULL_LENGTH = -1
# Of a message that is no row. An error quotes what it is about, be that a gigabyte; a setting
# that is reported back may be as long. 1,664 columns with the longest names take 150 kB.
_MOST_BYTES = 1_000_000
_ENOUGH_OF_AN_ERROR = 8_000


class GivenUp(Exception):
    """The rest of the answer was not read: the connection is of no use any more."""


@dataclass(slots=True)
class QueryResult:
    """What came back.

    Attributes:
        columns: Name and type (its oid) of each column.
        rows: Values as Postgres's text, None for NULL.
        whole: False when bytes or time ran out; the connection is then spent.
        error: What Postgres refused it with, by its field letters.
    """

    columns: list[tuple[str, int]] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)
    whole: bool = True
    error: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of an answer is read."""

    rows: int
    row_bytes: int
    seconds: float


def ask(session: Connection, sql: str, values: Sequence[str | None], bounds: Bounds) -> QueryResult:
    """Run one statement with `$1` placeholders filled from `values`, as text.

    Raises:
        GivenUp: it wants to copy to or from the client, or its answer is out of all bounds.
    """
    session.send_PARSE(NULL_BYTE, sql)
    session.send_BIND(NULL_BYTE, values)
    session._send_message(DESCRIBE, PORTAL + NULL_BYTE)
    session._send_message(EXECUTE, NULL_BYTE + i_pack(bounds.rows))
    session._sock.write(SYNC_MSG)
    session._sock.flush()
    return _read_answer(session, bounds)


def _read_answer(session: Connection, bounds: Bounds) -> QueryResult:
    answer = QueryResult()
    left = bounds.row_bytes
    deadline = time.monotonic() + bounds.seconds
    while True:
        code, length = _HEAD.unpack(_read(session, _HEAD.size))
        size = length - _LENGTH.size
        if code == b"D":
            left -= size
            if left < 0 or time.monotonic() > deadline:
                answer.whole = False
                return answer
            answer.rows.append(_values(_read(session, size)))
        elif size > _MOST_BYTES:
            _read_in_part(session, code, answer)
            return answer
        elif _take(answer, code, _read(session, size)):
            return answer


def _read_in_part(session: Connection, code: bytes, answer: QueryResult) -> None:
    """Of an error too long to keep, its beginning says what is wrong."""
    if code != b"E":
        raise GivenUp("its answer holds what is too long to read")
    answer.error = _error(_read(session, _ENOUGH_OF_AN_ERROR))
    answer.whole = False


def _take(answer: QueryResult, code: bytes, data: bytes) -> bool:
    """Note what a message says that is no row; True when it is the last one."""
    match code:
        case b"T":
            answer.columns = _columns(data)
        case b"E":
            answer.error = _error(data)
        case b"G" | b"H" | b"W":
            raise GivenUp("COPY has no place in the console: select the rows")
    return code == b"Z"


def _read(session: Connection, size: int) -> bytes:
    data: bytes = session._sock.read(size)
    if len(data) < size:
        raise EOFError("the server closed the connection")
    return data


def _columns(data: bytes) -> list[tuple[str, int]]:
    found, at = [], _COUNT.size
    for _ in range(_COUNT.unpack_from(data)[0]):
        end = data.index(NULL_BYTE, at)
        name = data[at:end].decode(errors="backslashreplace")
        _, _, oid, _, _, _ = _AFTER_NAME.unpack_from(data, end + 1)
        # An oid is unsigned.
        found.append((name, oid & 0xFFFFFFFF))
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
        # Only a database that takes any bytes for text can hold what is not UTF-8.
        found.append(str(data[at : at + length], "utf-8", "backslashreplace"))
        at += length
    return found


def _error(data: bytes) -> dict[str, str]:
    parts = (part for part in data.split(NULL_BYTE) if part)
    return {chr(part[0]): part[1:].decode(errors="backslashreplace") for part in parts}
