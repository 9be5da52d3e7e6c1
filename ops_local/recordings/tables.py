"""The minute tables of a recording: gzipped csv, read strictly and quickly."""

import errno
import gzip
import os
import stat
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from io import BytesIO
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from ops_pipeline.domain.market import Bar, Quote, new_york_day

BAR_COLUMNS = ("ticker", "ts", "open", "high", "low", "close", "volume")
QUOTE_COLUMNS = ("ticker", "ts", "bid", "bid_size", "ask", "ask_size")

# Ten thousand tickers through a whole day come to 0.6 GB.
_MOST_BYTES = 2**30

_Row = TypeVar("_Row", Bar, Quote)


class InvalidRecording(ValueError):
    """The folder is not a valid recording; the message names file, line and expectation."""


def read_bars(file: Path, day: date, tickers: Sequence[str]) -> dict[str, list[Bar]]:
    """A list for every ticker. Raises InvalidRecording, as all readers here do."""
    return _table(file, BAR_COLUMNS, _bar, day, tickers)


def read_quotes(
    file: Path, day: date, tickers: Sequence[str], *, lot: int = 1
) -> dict[str, list[Quote]]:
    """Quotes with sizes in shares, of which one unit of the file's stands for `lot`."""
    return _table(file, QUOTE_COLUMNS, partial(_quote, lot=lot), day, tickers)


def write_bars(file: Path, bars: Mapping[str, Sequence[Bar]]) -> None:
    _write_table(file, BAR_COLUMNS, bars)


def write_quotes(file: Path, quotes: Mapping[str, Sequence[Quote]]) -> None:
    _write_table(file, QUOTE_COLUMNS, quotes)


def text_of(file: Path) -> str:
    """The whole text of a file of a recording, unpacked.

    Raises:
        InvalidRecording: it is missing, no regular file, damaged, too large or no text.
    """
    try:
        text = _unpacked(file, bytes_of(file)).decode()
    except FileNotFoundError as error:
        raise InvalidRecording(f"{file}: expected this file in every recording") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidRecording(f"{file}: expected a whole gzip file: {error}") from error
    except UnicodeDecodeError as error:
        raise InvalidRecording(f"{file}: expected UTF-8: {error}") from error
    if "\0" in text:
        raise InvalidRecording(f"{file}: expected text without a NUL")
    return text


def bytes_of(file: Path) -> bytes:
    """The bytes of a regular file; what a link, pipe or device would give is not read.

    Raises:
        InvalidRecording: it is one of these.
    """
    try:
        # Without waiting: opening a pipe would, for somebody who writes to it.
        number = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        raise InvalidRecording(f"{file}: expected a regular file, not a link or a socket") from None
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise InvalidRecording(f"{file}: expected a regular file, not a folder, pipe or device")
        with os.fdopen(number, "rb", closefd=False) as opened:
            return opened.read()
    finally:
        os.close(number)


def _unpacked(file: Path, data: bytes) -> bytes:
    if file.suffix != ".gz":
        return data
    with gzip.open(BytesIO(data)) as packed:
        unpacked = packed.read(_MOST_BYTES + 1)
    if len(unpacked) > _MOST_BYTES:
        raise InvalidRecording(f"{file}: expected at most {_MOST_BYTES} bytes unpacked")
    return unpacked


def _write_table(
    file: Path, columns: Sequence[str], table: Mapping[str, Sequence[Bar | Quote]]
) -> None:
    rows = sorted((row for rows in table.values() for row in rows), key=attrgetter("ts", "ticker"))
    values = attrgetter(*columns)
    lines = [",".join(columns), *(",".join(map(_csv_field, values(row))) for row in rows)]
    # GzipFile writes the same header on every version of Python: no file name, no time.
    with file.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        packed.write(("\n".join(lines) + "\n").encode())


def _csv_field(value: object) -> str:
    if isinstance(value, datetime):
        return iso(value)
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _table(
    file: Path,
    columns: Sequence[str],
    parse: Callable[[str, datetime, Sequence[str]], _Row],
    day: date,
    tickers: Sequence[str],
) -> dict[str, list[_Row]]:
    lines = text_of(file).splitlines()
    if not lines or lines[0] != ",".join(columns):
        raise InvalidRecording(f"{file}, line 1: expected the header {','.join(columns)}")
    table: dict[str, list[_Row]] = {ticker: [] for ticker in tickers}
    # Each minute's text recurs for every ticker: it is parsed once.
    minutes: dict[str, datetime] = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            ticker, minute, *values = line.split(",")
            if minute not in minutes:
                minutes[minute] = _minute(minute, day)
            _append(table, parse(ticker, minutes[minute], values))
        except (ValueError, InvalidOperation) as error:
            expected = error if isinstance(error, _Expected) else f"expected {', '.join(columns)}"
            raise InvalidRecording(f"{file}, line {number}: {expected}, not {line!r}") from error
    return table


class _Expected(ValueError):
    """What a row should have contained; becomes part of an InvalidRecording."""


def _append(table: dict[str, list[_Row]], row: _Row) -> None:
    rows = table.get(row.ticker)
    if rows is None:
        raise _Expected(f"expected a ticker of session.json, one of {', '.join(table)}")
    if rows and row.ts <= rows[-1].ts:
        raise _Expected(f"expected a minute after {iso(rows[-1].ts)}, the ticker's row before")
    rows.append(row)


def _minute(text: str, day: date) -> datetime:
    moment = moment_of(text)
    if moment.second or moment.microsecond:
        raise _Expected("expected ts as the start of a minute")
    if new_york_day(moment) != day:
        raise _Expected(f"expected ts on {day} in New York")
    return moment


def moment_of(text: str) -> datetime:
    if not text.endswith("Z"):
        raise _Expected("expected times in UTC like 2026-02-04T14:31:00Z")
    return datetime.fromisoformat(text)


def _bar(ticker: str, ts: datetime, values: Sequence[str]) -> Bar:
    first, high, low, last, volume = values
    return Bar(ticker, ts, _price(first), _price(high), _price(low), _price(last), int(volume))


def _quote(ticker: str, ts: datetime, values: Sequence[str], *, lot: int) -> Quote:
    bid, bid_size, ask, ask_size = values
    return Quote(ticker, ts, _price(bid), int(bid_size) * lot, _price(ask), int(ask_size) * lot)


def _price(text: str) -> Decimal:
    price = Decimal(text)
    if not price.is_finite():
        raise _Expected("expected finite prices")
    return price
