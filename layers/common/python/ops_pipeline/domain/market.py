"""Bars, quotes and sessions. Prices in USD, times UTC."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from ops_pipeline.domain.legible import IllegibleItem

NEW_YORK = ZoneInfo("America/New_York")
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute of trading; `ts` is its start, final once `ts` + 60 s has passed."""

    ticker: str
    ts: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int

    @property
    def ends_at(self) -> datetime:
        return self.ts + MINUTE


@dataclass(frozen=True, slots=True)
class Quote:
    """The best bid and offer at `ts`, sizes in shares; 0 means that this side is not quoted."""

    ticker: str
    ts: datetime
    bid: Decimal
    bid_size: int
    ask: Decimal
    ask_size: int

    @property
    def usable(self) -> bool:
        """Both sides quoted and not crossed: only then does a mid mean anything."""
        return 0 < self.bid <= self.ask

    @property
    def mid(self) -> Decimal:
        """The middle of the market, USD; only meaningful when `usable`."""
        return (self.bid + self.ask) / 2

    def age_s(self, now: datetime) -> float:
        return (now - self.ts).total_seconds()


@dataclass(frozen=True, slots=True)
class Trade:
    """The last trade in a ticker, USD a share."""

    ticker: str
    ts: datetime
    price: Decimal


class Quotes(dict[str, Quote]):
    """Quotes by ticker, and what of them could not be read: those tickers are left out.

    Attributes:
        trades: The last trade by ticker, where the vendor tells it: evidence beside the quote.
        trades_error: Why no trades could be read; None where they were, or are not told at all.
    """

    def __init__(
        self,
        quotes: Mapping[str, Quote] | Iterable[tuple[str, Quote]] = (),
        illegible: Iterable[IllegibleItem] = (),
        trades: Mapping[str, Trade] | None = None,
        trades_error: str | None = None,
    ) -> None:
        super().__init__(quotes)
        self.illegible = tuple(illegible)
        self.trades: Mapping[str, Trade] = trades or {}
        self.trades_error = trades_error


@dataclass(frozen=True, slots=True)
class Session:
    """One regular session of the exchange, half-open: a bar of `closes_at` is outside."""

    day: date
    opens_at: datetime
    closes_at: datetime

    def is_open(self, now: datetime) -> bool:
        return self.opens_at <= now < self.closes_at

    def minutes_to_close(self, now: datetime) -> float:
        return (self.closes_at - now).total_seconds() / 60


def new_york_day(moment: datetime) -> date:
    """The exchange's calendar day of a moment, whatever zone it is given in."""
    return moment.astimezone(NEW_YORK).date()


def new_york_time(day: date, hour: int, minute: int = 0) -> datetime:
    """That wall-clock time in New York on that day, in UTC."""
    local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK)
    return local.astimezone(UTC)


def minute_of(moment: datetime) -> datetime:
    """The start of the minute that contains this moment."""
    return moment.replace(second=0, microsecond=0)
