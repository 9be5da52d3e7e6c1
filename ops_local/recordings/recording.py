"""A recorded or generated day in a folder: bars, quotes and news, read whole or refused.

    session.json       date, tickers, synthetic, source; vix_previous_close, quotes and quote_sizes
                       may be absent
    bars.csv.gz        ticker, ts, open, high, low, close, volume
    quotes.csv.gz      ticker, ts, bid, bid_size, ask, ask_size (optional)
    news.jsonl         one NewsItem a line (optional)
    halts.csv          ticker, halted_at, resumed_at, reason (optional)

`ts` is UTC and the start of a minute. A bar is final, and a quote (the last one of its
minute) is known, only 60 s after that. Rows of one ticker ascend in `ts`. Implausible
values, such as a high below the low, are left for telemetry to reject.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from ops_local.recordings.halts import RecordedHalt, read_halts, write_halts
from ops_local.recordings.tables import (
    InvalidRecording,
    iso,
    moment_of,
    read_bars,
    read_quotes,
    text_of,
    write_bars,
    write_quotes,
)
from ops_pipeline.domain.legible import is_legible
from ops_pipeline.domain.market import Bar, Quote
from ops_pipeline.domain.regime import LEAST_VIX, MOST_VIX, is_plausible_vix

__all__ = ["InvalidRecording", "RecordedNewsItem", "Recording", "load", "write"]

NEWS_FIELDS = ("feed", "guid", "title", "link", "summary", "published_at", "available_at")
# Until then Alpaca told sizes in round lots, which were of 100 shares.
_IN_SHARES_SINCE = date(2025, 11, 3)
_MODELLED = "modelled"
_SHARES = {"shares": 1, "round_lots": 100}
_NEVER_NULL = ("feed", "title", "available_at")
_TIMES = ("published_at", "available_at")

_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True)
class RecordedNewsItem:
    """One item of one feed, as its publisher wrote it.

    Attributes:
        feed: Name of the feed that served it.
        guid, link, summary: None where the feed gives none.
        title: Plain text; markup only where the publisher put it.
        published_at: As the item claims: None if undated, possibly in the future.
        available_at: When the feed's server first showed it.
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
        folder: Its folder; a `feeds` folder in it is read by the feed server.
        vix_previous_close: Index points, or None if the recording has none.
        bars, quotes: A list, maybe empty, for every ticker, ascending in `ts`; sizes of quotes
            in shares, whatever the file counts in. No quotes at all means that none were recorded.
        news: Ascending in `available_at`.
        halts: Ascending in `halted_at`.
        quotes_modelled: Made from the bars, not recorded.
        quote_sizes: What the file counted sizes in; here they are shares.
    """

    folder: Path
    day: date
    tickers: tuple[str, ...]
    synthetic: bool
    source: str
    vix_previous_close: float | None
    bars: dict[str, list[Bar]]
    quotes: dict[str, list[Quote]]
    news: list[RecordedNewsItem]
    halts: list[RecordedHalt] = field(default_factory=list)
    quotes_modelled: bool = False
    quote_sizes: str = "shares"


def load(folder: Path) -> Recording:
    """Read a whole folder.

    Raises:
        InvalidRecording: a file is missing or malformed; nothing is skipped or guessed.
    """
    session_file = folder / "session.json"
    facts = _json_object(text_of(session_file), f"{session_file}")
    day, tickers = _day(facts, session_file), _tickers(facts, session_file)
    quotes_file, news_file = folder / "quotes.csv.gz", folder / "news.jsonl"
    halts_file = folder / "halts.csv"
    quotes: dict[str, list[Quote]] = {ticker: [] for ticker in tickers}
    lot = _lot(facts, day, session_file)
    if _is_there(quotes_file):
        quotes = read_quotes(quotes_file, day, tickers, lot=lot)
    return Recording(
        folder=folder,
        day=day,
        tickers=tickers,
        synthetic=_fact(facts, "synthetic", bool, session_file),
        source=_stored(_fact(facts, "source", str, session_file), f"{session_file}: source"),
        vix_previous_close=_vix(facts, session_file),
        bars=read_bars(folder / "bars.csv.gz", day, tickers),
        quotes=quotes,
        news=_news(news_file) if _is_there(news_file) else [],
        halts=read_halts(halts_file, tickers) if _is_there(halts_file) else [],
        quotes_modelled=_modelled(facts, session_file),
        quote_sizes=str(facts.get("quote_sizes", "shares")),
    )


def _is_there(file: Path) -> bool:
    """Whether a file has been recorded; also a link to nowhere, which is refused later."""
    return file.exists() or file.is_symlink()


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
    if any(recording.quotes.values()):
        facts["quote_sizes"] = "shares"
    if recording.quotes_modelled:
        facts["quotes"] = _MODELLED
    (folder / "session.json").write_text(json.dumps(facts, indent=1) + "\n")
    write_bars(folder / "bars.csv.gz", recording.bars)
    if any(recording.quotes.values()):
        write_quotes(folder / "quotes.csv.gz", recording.quotes)
    if recording.news:
        in_order = sorted(recording.news, key=attrgetter("available_at"))
        lines = [json.dumps(asdict(item), default=iso) + "\n" for item in in_order]
        (folder / "news.jsonl").write_text("".join(lines))
    if recording.halts:
        write_halts(folder / "halts.csv", recording.halts)


def _json_object(text: str, place: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except RecursionError:
        raise InvalidRecording(f"{place}: expected JSON that is not nested that deep") from None
    except ValueError as error:
        raise InvalidRecording(f"{place}: expected JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidRecording(f"{place}: expected a JSON object")
    return value


def _fact(facts: Mapping[str, object], name: str, kind: type[_Kind], file: Path) -> _Kind:
    value = facts.get(name)
    if not isinstance(value, kind):
        raise InvalidRecording(f"{file}: expected {name} as {kind.__name__}, not {value!r}")
    return value


def _stored(text: str, place: str) -> str:
    if not is_legible(text):
        raise InvalidRecording(f"{place}: expected no NUL and no half of a surrogate pair")
    return text


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


def _lot(facts: Mapping[str, object], day: date, file: Path) -> int:
    """Shares that one unit of a quote's size stands for: Alpaca counted round lots once."""
    unit = facts.get("quote_sizes", "shares")
    if not isinstance(unit, str) or unit not in _SHARES:
        raise InvalidRecording(
            f"{file}: expected quote_sizes as {' or '.join(_SHARES)}, not {unit!r}"
        )
    if unit == "round_lots" and day >= _IN_SHARES_SINCE:
        raise InvalidRecording(
            f"{file}: expected quote_sizes in shares from {_IN_SHARES_SINCE} on, not in round lots"
        )
    return _SHARES[unit]


def _modelled(facts: Mapping[str, object], file: Path) -> bool:
    """Whether quotes were made from the bars; a word that is not known is refused, not believed."""
    word = facts.get("quotes", "recorded")
    if word not in ("recorded", _MODELLED):
        raise InvalidRecording(f"{file}: expected quotes as recorded or {_MODELLED}, not {word!r}")
    return word == _MODELLED


def _vix(facts: Mapping[str, object], file: Path) -> float | None:
    value = facts.get("vix_previous_close")
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not is_plausible_vix(float(value)):  # type: ignore[arg-type]  # a number
        raise InvalidRecording(
            f"{file}: expected vix_previous_close as {LEAST_VIX:g} to {MOST_VIX:g} index points "
            f"or no such field, not {value!r}"
        )
    return float(value)  # type: ignore[arg-type]  # as above


def _news(file: Path) -> list[RecordedNewsItem]:
    items = []
    for number, line in enumerate(text_of(file).split("\n"), start=1):
        if line:
            items.append(_news_item(line, f"{file}, line {number}"))
    return sorted(items, key=attrgetter("available_at"))


def _news_item(line: str, place: str) -> RecordedNewsItem:
    facts = _json_object(line, place)
    if set(facts) != set(NEWS_FIELDS):
        raise InvalidRecording(f"{place}: expected exactly the fields {', '.join(NEWS_FIELDS)}")
    for name, value in facts.items():
        if not isinstance(value, str) and (name in _NEVER_NULL or value is not None):
            null = "" if name in _NEVER_NULL else " or null"
            raise InvalidRecording(f"{place}: expected {name} as text{null}, not {value!r}")
        _stored(str(value), f"{place}: {name}")
    try:
        times = {name: moment_of(str(facts[name])) for name in _TIMES if facts[name] is not None}
    except ValueError as error:
        raise InvalidRecording(f"{place}: expected times like 2026-02-04T14:31:00Z") from error
    return RecordedNewsItem(**{**facts, **times})  # type: ignore[arg-type]  # each checked above
