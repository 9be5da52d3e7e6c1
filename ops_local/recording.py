"""A recorded or generated day in a folder: bars, quotes and news, read whole or refused.

    session.json       date, tickers, synthetic, source, vix_previous_close (may be absent)
    bars.csv.gz        ticker, ts, open, high, low, close, volume
    quotes.csv.gz      ticker, ts, bid, bid_size, ask, ask_size (optional)
    news.jsonl         one NewsItem a line (optional)

`ts` is UTC and the start of a minute. A bar is final, and a quote (the last one of its
minute) is known, only 60 s after that. Rows of one ticker ascend in `ts`. What is
merely implausible, say a high under the low, is left for telemetry to refuse.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from ops_pipeline.domain.market import Bar, Quote, new_york_day

BAR_COLUMNS = ("ticker", "ts", "open", "high", "low", "close", "volume")
QUOTE_COLUMNS = ("ticker", "ts", "bid", "bid_size", "ask", "ask_size")
NEWS_FIELDS = ("feed", "guid", "title", "link", "summary", "published_at", "available_at")
_NEVER_NULL = ("feed", "title", "available_at")
_TIMES = ("published_at", "available_at")

_Kind = TypeVar("_Kind")
_Row = TypeVar("_Row", Bar, Quote)


class InvalidRecording(ValueError):
    """The folder is no recording; the message names file, line and what was expected."""


@dataclass(frozen=True, slots=True)
class NewsItem:
    """One item of one feed, as its publisher wrote it.

    Attributes:
        feed: Name of the feed that served it.
        guid, link, summary: None where the feed gives none.
        title: Plain text as it should read, markup included where somebody put it there.
        published_at: What the item claims: None when undated, possibly in the future.
        available_at: From when the feed's server really showed it.
    """

    feed: str
    guid: str | None
    title: str
    link: str | None
    summary: str | None
    published_at: datetime | None
    available_at: datetime


@dataclass(frozen=True, slots=True)
class Recording:
    """One New York day.

    Attributes:
        folder: Where it lies; a `feeds` folder in it is the feed server's business.
        vix_previous_close: Index points, or None when the recording does not know.
        bars, quotes: A list, maybe empty, for every ticker, ascending in `ts`. No quotes
            at all means that none were recorded.
        news: Ascending in `available_at`.
    """

    folder: Path
    day: date
    tickers: tuple[str, ...]
    synthetic: bool
    source: str
    vix_previous_close: float | None
    bars: dict[str, list[Bar]]
    quotes: dict[str, list[Quote]]
    news: list[NewsItem]


def load(folder: Path) -> Recording:
    """Read a folder whole.

    Raises:
        InvalidRecording: a file is missing or malformed; nothing is skipped or guessed.
    """
    session_file = folder / "session.json"
    facts = _json_object(_text(session_file), f"{session_file}")
    day, tickers = _day(facts, session_file), _tickers(facts, session_file)
    quotes_file, news_file = folder / "quotes.csv.gz", folder / "news.jsonl"
    quotes: dict[str, list[Quote]] = {ticker: [] for ticker in tickers}
    if quotes_file.exists():
        quotes = _table(quotes_file, QUOTE_COLUMNS, _quote, day, tickers)
    return Recording(
        folder=folder,
        day=day,
        tickers=tickers,
        synthetic=_fact(facts, "synthetic", bool, session_file),
        source=_fact(facts, "source", str, session_file),
        vix_previous_close=_vix(facts, session_file),
        bars=_table(folder / "bars.csv.gz", BAR_COLUMNS, _bar, day, tickers),
        quotes=quotes,
        news=_news(news_file) if news_file.exists() else [],
    )


def write(recording: Recording) -> None:
    """Write `recording.folder`; the same recording gives the same bytes."""
    folder = recording.folder
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, object] = {
        "date": recording.day.isoformat(),
        "synthetic": recording.synthetic,
        "tickers": list(recording.tickers),
        "source": recording.source,
    }
    if recording.vix_previous_close is not None:
        facts["vix_previous_close"] = recording.vix_previous_close
    (folder / "session.json").write_text(json.dumps(facts, indent=1) + "\n")
    _write_table(folder / "bars.csv.gz", BAR_COLUMNS, recording.bars)
    if any(recording.quotes.values()):
        _write_table(folder / "quotes.csv.gz", QUOTE_COLUMNS, recording.quotes)
    if recording.news:
        in_order = sorted(recording.news, key=attrgetter("available_at"))
        lines = [json.dumps(asdict(item), default=_iso) + "\n" for item in in_order]
        (folder / "news.jsonl").write_text("".join(lines))


def _write_table(
    file: Path, columns: Sequence[str], table: Mapping[str, Sequence[Bar | Quote]]
) -> None:
    rows = sorted((row for rows in table.values() for row in rows), key=attrgetter("ts", "ticker"))
    lines = [",".join(columns), *(",".join(map(_csv_field, astuple(row))) for row in rows)]
    # GzipFile writes the header itself: no file name and no time, on every version of Python.
    with file.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        packed.write(("\n".join(lines) + "\n").encode())


def _csv_field(value: object) -> str:
    if isinstance(value, datetime):
        return _iso(value)
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
        return (gzip.decompress(data) if file.suffix == ".gz" else data).decode()
    except FileNotFoundError as error:
        raise InvalidRecording(f"{file}: expected this file in every recording") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidRecording(f"{file}: expected a whole gzip file: {error}") from error
    except UnicodeDecodeError as error:
        raise InvalidRecording(f"{file}: expected UTF-8: {error}") from error


def _json_object(text: str, place: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidRecording(f"{place}: expected JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidRecording(f"{place}: expected a JSON object")
    return value


def _fact(facts: Mapping[str, object], name: str, kind: type[_Kind], file: Path) -> _Kind:
    value = facts.get(name)
    if not isinstance(value, kind):
        raise InvalidRecording(f"{file}: expected {name} as {kind.__name__}, not {value!r}")
    return value


def _day(facts: Mapping[str, object], file: Path) -> date:
    text = _fact(facts, "date", str, file)
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRecording(f"{file}: expected date as YYYY-MM-DD, not {text!r}") from error


def _tickers(facts: Mapping[str, object], file: Path) -> tuple[str, ...]:
    found: list[object] = _fact(facts, "tickers", list, file)
    symbols = tuple(symbol for symbol in found if isinstance(symbol, str) and symbol)
    if not symbols or len(set(symbols)) < len(found):
        raise InvalidRecording(f"{file}: expected tickers as distinct symbols, not {found!r}")
    return symbols


def _vix(facts: Mapping[str, object], file: Path) -> float | None:
    value = facts.get("vix_previous_close")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1_000:
        raise InvalidRecording(
            f"{file}: expected vix_previous_close in index points or no such field, not {value!r}"
        )
    return float(value)


def _table(
    file: Path,
    columns: Sequence[str],
    parse: Callable[[str, datetime, Sequence[str]], _Row],
    day: date,
    tickers: Sequence[str],
) -> dict[str, list[_Row]]:
    lines = _text(file).splitlines()
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
    """What a row should have said; becomes the end of an InvalidRecording."""


def _append(table: dict[str, list[_Row]], row: _Row) -> None:
    rows = table.get(row.ticker)
    if rows is None:
        raise _Expected(f"expected a ticker of session.json, one of {', '.join(table)}")
    if rows and row.ts <= rows[-1].ts:
        raise _Expected(f"expected a minute after {_iso(rows[-1].ts)}, the ticker's row before")
    rows.append(row)


def _minute(text: str, day: date) -> datetime:
    moment = _moment(text)
    if moment.second or moment.microsecond:
        raise _Expected("expected ts as the start of a minute")
    if new_york_day(moment) != day:
        raise _Expected(f"expected ts on {day} in New York")
    return moment


def _moment(text: str) -> datetime:
    if not text.endswith("Z"):
        raise _Expected("expected times in UTC like 2026-02-04T14:31:00Z")
    return datetime.fromisoformat(text)


def _bar(ticker: str, ts: datetime, values: Sequence[str]) -> Bar:
    first, high, low, last, volume = values
    return Bar(ticker, ts, _price(first), _price(high), _price(low), _price(last), int(volume))


def _quote(ticker: str, ts: datetime, values: Sequence[str]) -> Quote:
    bid, bid_size, ask, ask_size = values
    return Quote(ticker, ts, _price(bid), int(bid_size), _price(ask), int(ask_size))


def _price(text: str) -> Decimal:
    price = Decimal(text)
    if not price.is_finite():
        raise _Expected("expected finite prices")
    return price


def _news(file: Path) -> list[NewsItem]:
    items = []
    for number, line in enumerate(_text(file).split("\n"), start=1):
        if line:
            items.append(_news_item(line, f"{file}, line {number}"))
    return sorted(items, key=attrgetter("available_at"))


def _news_item(line: str, place: str) -> NewsItem:
    facts = _json_object(line, place)
    if set(facts) != set(NEWS_FIELDS):
        raise InvalidRecording(f"{place}: expected exactly the fields {', '.join(NEWS_FIELDS)}")
    for name, value in facts.items():
        if not isinstance(value, str) and (name in _NEVER_NULL or value is not None):
            null = "" if name in _NEVER_NULL else " or null"
            raise InvalidRecording(f"{place}: expected {name} as text{null}, not {value!r}")
    try:
        times = {name: _moment(str(facts[name])) for name in _TIMES if facts[name] is not None}
    except ValueError as error:
        raise InvalidRecording(f"{place}: expected times like 2026-02-04T14:31:00Z") from error
    return NewsItem(**{**facts, **times})  # type: ignore[arg-type]  # each checked above
