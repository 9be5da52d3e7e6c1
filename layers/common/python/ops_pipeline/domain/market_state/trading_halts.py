"""Halts of trading: what a source says, and whether it holds at a moment. Times UTC."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from ops_pipeline.domain.market import new_york_day

HaltSource = Literal["nasdaq_halts", "nyse_halts", "silence"]
EVERY_TICKER = "*"
# Some suspensions last for years; one of tomorrow's open is announced today.
_OLDEST, _FURTHEST_HALT = timedelta(days=5 * 366), timedelta(days=1)
_FURTHEST_RESUMPTION = timedelta(days=30)
# A source that said so longer ago and was not heard of since vouches for nothing any more.
BELIEVED_FOR = timedelta(days=1)
# An exchange's list that is younger speaks of now: an exit waits for it.
CURRENT_FOR = timedelta(minutes=10)
_MARKET_WIDE = re.compile(r"MWC[0-9Q]?|.*market[- ]?wide circuit breaker.*", re.IGNORECASE)
_MEANINGS = {
    "T1": "news pending",
    "T2": "news released",
    "T3": "news, and resumption times told",
    "T5": "pause of a single stock",
    "T6": "extraordinary market activity",
    "T12": "the exchange asked for information",
    "H4": "listing rules not met",
    "H9": "filings not current",
    "H10": "suspended by the SEC",
    "H11": "regulatory concern",
    "O1": "operational",
    "IPO1": "new issue, not trading yet",
    "LUDP": "volatility pause",
    "LUDS": "volatility pause",
    "M": "volatility pause",
    "MWC1": "market-wide circuit breaker, level 1",
    "MWC2": "market-wide circuit breaker, level 2",
    "MWC3": "market-wide circuit breaker, level 3",
}


@dataclass(frozen=True, slots=True)
class HaltNotice:
    """One halt as an exchange lists it; `resumed_at` None: it tells no time of resumption."""

    ticker: str
    reason: str
    halted_at: datetime
    resumed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HaltList:
    """An exchange's whole list.

    Attributes:
        illegible: What is wrong with each item that could not be read.
        complete: Whether what it does not name is not listed; False where items are missing.
    """

    notices: tuple[HaltNotice, ...]
    illegible: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingHalt:
    """One stored halt; the table trading_halts explains the fields."""

    ticker: str
    source: HaltSource
    reason: str
    halted_at: datetime
    resumed_at: datetime | None
    listed_at: datetime
    unlisted_at: datetime | None = None

    @property
    def ended_at(self) -> datetime | None:
        """When it ends or ended; None while nobody says."""
        return self.resumed_at or self.unlisted_at

    def holds(self, now: datetime) -> bool:
        """Whether its ticker is halted at this moment, as far as its source is believed."""
        if self.halted_at > now:
            return False
        if self.ended_at is not None and self.ended_at <= now:
            return False
        return now - self.listed_at <= BELIEVED_FOR

    def holds_exits(self, now: datetime) -> bool:
        """Whether a sale would find no market: an exchange says so, and not long ago."""
        if self.source == "silence" or not self.holds(now):
            return False
        return now - self.listed_at <= CURRENT_FOR

    def cools(self, now: datetime, cooling: timedelta) -> bool:
        """Whether it ended a moment ago."""
        ended = self.ended_at
        return ended is not None and self.halted_at <= ended <= now < ended + cooling

    @property
    def facts(self) -> dict[str, str | None]:
        """As it is stored beside a verdict."""
        ended = self.ended_at
        return {
            "ticker": self.ticker,
            "source": self.source,
            "reason": self.reason,
            "halted_at": self.halted_at.isoformat(),
            "ended_at": None if ended is None else ended.isoformat(),
        }

    @property
    def told(self) -> str:
        """Ticker, reason, since when and by whom, for a person."""
        who = "the whole market" if self.ticker == EVERY_TICKER else self.ticker
        meaning = _MEANINGS.get(self.reason)
        why = f"{self.reason}, {meaning}" if meaning else self.reason
        return f"{who} halted since {self.halted_at:%Y-%m-%d %H:%M:%S} UTC ({why}; {self.source})"


def is_market_wide(reason: str) -> bool:
    """Whether this reason halts every ticker."""
    return _MARKET_WIDE.fullmatch(reason.strip()) is not None


def plausible(notices: Iterable[HaltNotice], now: datetime) -> list[HaltNotice]:
    """Those whose halt is neither years ago nor days ahead.

    A resumption that cannot be is left out: the halt then stands.
    """
    return [
        replace(it, resumed_at=_resumption(it, now))
        for it in notices
        if now - _OLDEST <= it.halted_at <= now + _FURTHEST_HALT
    ]


def with_market_wide(notices: Sequence[HaltNotice]) -> list[HaltNotice]:
    """Each notice once, and one of the whole market for the circuit breaker of a day.

    Exchanges list it by ticker, and each ticker resumes by itself: the market's ends with the last.
    """
    found = {(it.ticker, it.halted_at): it for it in notices}
    wide = [it for it in notices if is_market_wide(it.reason) and it.ticker != EVERY_TICKER]
    for day in sorted({new_york_day(it.halted_at) for it in wide}):
        of_day = [it for it in wide if new_york_day(it.halted_at) == day]
        first = min(of_day, key=lambda it: it.halted_at)
        ends = [it.resumed_at for it in of_day if it.resumed_at is not None]
        last = max(ends) if len(ends) == len(of_day) else None
        found[EVERY_TICKER, first.halted_at] = replace(first, ticker=EVERY_TICKER, resumed_at=last)
    return list(found.values())


def _resumption(notice: HaltNotice, now: datetime) -> datetime | None:
    at = notice.resumed_at
    possible = at is not None and notice.halted_at <= at <= now + _FURTHEST_RESUMPTION
    return at if possible else None
