"""Reads the trading halts that Nasdaq (RSS) and NYSE (CSV) publish.

Both write Eastern wall-clock times without an offset. Each item stands alone: one that can't be
read is named, and then what the list lacks proves nothing.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from xml.parsers.expat import ExpatError, ParserCreate

from ops_pipeline.adapters.feed_parser import refuse_what_is_no_list
from ops_pipeline.domain.market import NEW_YORK
from ops_pipeline.domain.market_state.trading_halts import HaltList, HaltNotice
from ops_pipeline.domain.news.headlines import plain_text
from ops_pipeline.errors import FeedUnavailable

# A market-wide halt lists every ticker: some eleven thousand.
MOST_ITEMS = 20_000
_LONGEST_FIELD, _LONGEST_REASON, _NAMED = 400, 200, 20
_TICKER = re.compile(r"[A-Z0-9][A-Z0-9.+=^#$*]{0,14}")
_DAY_FORMS = ("%m/%d/%Y", "%Y-%m-%d")
_TIME_FORMS = ("%H:%M:%S", "%H:%M:%S.%f", "%H:%M")

# The names of NYSE's columns, and those that it had before.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "ticker": ("symbol",),
    "reason": ("reason", "reason halted"),
    "day": ("halt date",),
    "time": ("halt time",),
    "resumption_day": ("resume date", "resumption date"),
    "resumption_time": ("nyse resume time", "resume time", "resumption time"),
}
_NASDAQ = {
    "IssueSymbol": "ticker",
    "ReasonCode": "reason",
    "HaltDate": "day",
    "HaltTime": "time",
    "ResumptionDate": "resumption_day",
    "ResumptionTradeTime": "resumption_time",
}
_NASDAQ_SPACE = "http://www.nasdaqtrader.com/"


def parse_nasdaq(body: bytes) -> HaltList:
    """Nasdaq's list; without a time of resumption for trades an item is halted.

    Raises:
        FeedUnavailable: the bytes are not that document.
    """
    refuse_what_is_no_list(body)
    reader = _NasdaqReader()
    try:
        reader.read(body)
    except (ExpatError, ValueError) as error:
        raise FeedUnavailable(f"the answer is no list of halts: {error}") from error
    if not reader.is_list:
        raise FeedUnavailable("the answer is no list of halts: a feed of another kind")
    found = _notices(iter(reader.items))
    announced = reader.announced
    return _checked(found, complete=announced is None or announced == len(reader.items))


def parse_nyse(body: bytes) -> HaltList:
    """NYSE's list, a CSV whose columns are found by their names.

    Raises:
        FeedUnavailable: the bytes are not that document.
    """
    refuse_what_is_no_list(body)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FeedUnavailable("the answer is no list of halts: not UTF-8") from error
    rows = csv.reader(io.StringIO(text, newline=""))
    header = next(_rows(rows), None) or []
    names = [_unquoted(name).casefold() for name in header]
    places = {
        field: next((names.index(name) for name in known if name in names), None)
        for field, known in _COLUMNS.items()
    }
    if missing := sorted(field for field, place in places.items() if place is None):
        raise FeedUnavailable(f"the answer is no list of halts: no column for {missing}")
    found = _notices(_by_name(row, places, len(header)) for row in _rows(rows) if row != [])
    return _checked(found, complete=True)


def _checked(found: tuple[list[HaltNotice], list[str], bool], *, complete: bool) -> HaltList:
    notices, illegible, whole = found
    return HaltList(tuple(notices), tuple(illegible[:_NAMED]), complete and whole and not illegible)


def _notices(
    items: Iterator[Mapping[str, str] | None],
) -> tuple[list[HaltNotice], list[str], bool]:
    """The legible items, what is wrong with the others, and whether all were looked at."""
    notices: list[HaltNotice] = []
    illegible: list[str] = []
    for number, item in enumerate(items, start=1):
        if number > MOST_ITEMS:
            return notices, illegible, False
        try:
            notices.append(_notice(item))
        except ValueError as error:
            illegible.append(f"item {number}: {error}")
    return notices, illegible, True


def _notice(item: Mapping[str, str] | None) -> HaltNotice:
    if item is None:
        raise ValueError("another number of fields than the header")
    ticker = _symbol(item.get("ticker", ""))
    halted_at = _moment(item.get("day", ""), item.get("time", ""))
    resumed_at = None
    if item.get("resumption_day") and item.get("resumption_time"):
        try:
            resumed_at = _moment(item["resumption_day"], item["resumption_time"])
        except ValueError:
            # A resumption that is not understood has not happened.
            resumed_at = None
    reason = plain_text(item.get("reason", ""), _LONGEST_REASON) or "no reason given"
    return HaltNotice(ticker, reason, halted_at, resumed_at)


def _symbol(written: str) -> str:
    """As Alpaca writes it: BRK.B for Nasdaq's and NYSE's BRK B, BRK/B and BRK-B."""
    ticker = re.sub(r"[ /-]+", ".", written.strip().upper())
    if not _TICKER.fullmatch(ticker):
        raise ValueError(f"no symbol: {written[:40]!r}")
    return ticker


def _moment(day: str, time: str) -> datetime:
    """An Eastern wall-clock time as an instant; ValueError for one that is none or twice."""
    wall = datetime.combine(
        _first_form(day.strip(), _DAY_FORMS).date(), _first_form(time.strip(), _TIME_FORMS).time()
    )
    local = wall.replace(tzinfo=NEW_YORK)
    if local.utcoffset() != local.replace(fold=1).utcoffset():
        raise ValueError(f"the clock shows {wall} twice or never")
    return local.astimezone(UTC)


def _first_form(written: str, forms: tuple[str, ...]) -> datetime:
    for form in forms:
        try:
            return datetime.strptime(written, form)  # noqa: DTZ007  # a wall clock; its zone follows
        except ValueError:
            continue
    raise ValueError(f"no date or time: {written[:40]!r}")


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """The rows; one that csv refuses is one of no fields that fit."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield ["", ""]


def _by_name(
    row: list[str], places: Mapping[str, int | None], fields: int
) -> Mapping[str, str] | None:
    if len(row) != fields:
        return None
    return {
        name: _unquoted(row[place])[:_LONGEST_FIELD]
        for name, place in places.items()
        if place is not None
    }


def _unquoted(text: str) -> str:
    return text.strip().strip('"').strip()


class _NasdaqReader:
    """Collects the items of the document, and how many it says there are."""

    def __init__(self) -> None:
        self.items: list[dict[str, str]] = []
        self.announced: int | None = None
        self.is_list = False
        self._item: dict[str, str] | None = None
        self._text: list[str] = []
        self._length = 0

    def read(self, body: bytes) -> None:
        parser = ParserCreate(namespace_separator=" ")
        parser.EntityDeclHandler = _refusing("an entity")
        parser.StartDoctypeDeclHandler = _refusing("a document type")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse(body, True)

    def _start(self, name: str, _: object) -> None:
        self._text, self._length = [], 0
        if name == "item":
            self._item = {}

    def _characters(self, text: str) -> None:
        if self._length < _LONGEST_FIELD:
            self._text.append(text[: _LONGEST_FIELD - self._length])
            self._length += len(text)

    def _end(self, name: str) -> None:
        text, self._text = "".join(self._text).strip(), []
        space, _, local = name.rpartition(" ")
        if name == "item" and self._item is not None:
            if len(self.items) <= MOST_ITEMS:
                self.items.append(self._item)
            self._item = None
        elif space == _NASDAQ_SPACE and self._item is not None and local in _NASDAQ:
            self._item[_NASDAQ[local]] = text
        elif space == _NASDAQ_SPACE and local == "numItems" and text.isdecimal():
            self.announced, self.is_list = int(text[:9]), True
        self.is_list = self.is_list or (name == "description" and "halt" in text.casefold())
        self.is_list = self.is_list or any("day" in item for item in self.items[:1])


def _refusing(what: str) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise ValueError(f"it declares {what}")

    return refuse
