"""Stand-ins for what lies outside: a clock, a calendar, a market that tests set by hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from ops_pipeline.domain.legible import IllegibleItem, Listing
from ops_pipeline.domain.market import Bar, Quote, Quotes, Session, Trade, new_york_time
from ops_pipeline.errors import MarketDataUnavailable


@dataclass
class FixedClock:
    """A clock that stands until it is moved."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def regular_session(day: date, *, closes_at_hour: int = 16) -> Session:
    """09:30 to 16:00 New York, or to 13:00 on a half day."""
    return Session(day, new_york_time(day, 9, 30), new_york_time(day, closes_at_hour))


class FixedCalendar:
    """Knows the given sessions; the exchange is shut on every other day."""

    def __init__(self, sessions: Iterable[Session]) -> None:
        self._sessions = {session.day: session for session in sessions}

    def session(self, day: date) -> Session | None:
        return self._sessions.get(day)

    def previous_session(self, day: date) -> Session:
        return self._sessions[max(known for known in self._sessions if known < day)]


@dataclass
class FakeMarketData:
    """Answers what it was given; `down` makes every call fail.

    `illegible` are the items that it can't make out."""

    clock: FixedClock
    recorded_bars: list[Bar] = field(default_factory=list)
    latest: dict[str, Quote] = field(default_factory=dict)
    trades: dict[str, Trade] = field(default_factory=dict)
    down: bool = False
    illegible: list[IllegibleItem] = field(default_factory=list)

    def bars(self, tickers: Sequence[str], start: datetime, end: datetime) -> Listing[Bar]:
        self._answer()
        found = [
            bar for bar in self.recorded_bars if bar.ticker in tickers and start <= bar.ts < end
        ]
        return Listing(found, [it for it in self.illegible if it.kind == "bar"])

    def quotes(self, tickers: Sequence[str]) -> Quotes:
        """Without those that an illegible one stands for."""
        self._answer()
        odd = [it for it in self.illegible if it.kind == "quote" and it.symbol in tickers]
        legible = set(tickers) - {it.symbol for it in odd}
        quotes = {it: self.latest[it] for it in legible if it in self.latest}
        return Quotes(quotes, odd, {it: self.trades[it] for it in tickers if it in self.trades})

    def quote(
        self, ticker: str, bid: str, ask: str, *, age_s: float = 0, size: int = 1000
    ) -> Quote:
        """Set a ticker's latest quote, of this size on each side."""
        seen = self.clock.now() - timedelta(seconds=age_s)
        self.latest[ticker] = Quote(ticker, seen, Decimal(bid), size, Decimal(ask), size)
        return self.latest[ticker]

    def trade(self, ticker: str, price: str) -> None:
        """Let a ticker trade now."""
        self.trades[ticker] = Trade(ticker, self.clock.now(), Decimal(price))

    def _answer(self) -> None:
        if self.down:
            raise MarketDataUnavailable("market data is down")
