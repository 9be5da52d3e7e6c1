"""What of the recorded bars a market data plan shows, and when."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ops_local.exchange.market.tape import Tape
from ops_pipeline.domain.market import Bar

# A minute's bar is published shortly after the minute, and recalculated half a minute after it.
LATE = timedelta(seconds=3)
RECALCULATED_AFTER = timedelta(seconds=30)
# Of the volume, which trades that are reported late add.
_REPORTED_LATE = 10
# One venue's share of the market's volume, and what one of its trades usually is, shares.
_SHARE, _USUAL_TRADE = 1 / 40, 100


@dataclass(frozen=True, slots=True)
class PublishedBars:
    """The tape's finished bars as the data API serves them.

    Attributes:
        publication: "at_once", "late" or "late_and_recalculated".
        venue: "whole_market" or "one_venue".
    """

    tape: Tape
    publication: str
    venue: str

    def bars(self, ticker: str, start: datetime, end: datetime, now: datetime) -> list[Bar]:
        """Those with start <= ts <= end that are published by now, oldest first."""
        found = self.tape.bars(ticker, start, end, self._latest(now))
        return [self._first_version(bar, now) for bar in self._seen(found)]

    def last_bar(self, ticker: str, now: datetime) -> Bar | None:
        """The newest that is published."""
        bar = self.tape.last_bar(ticker, self._latest(now))
        while bar is not None and not list(self._seen([bar])):
            bar = self.tape.last_bar(ticker, bar.ts)
        return None if bar is None else self._first_version(next(iter(self._seen([bar]))), now)

    def _latest(self, now: datetime) -> datetime:
        return now if self.publication == "at_once" else now - LATE

    def _first_version(self, bar: Bar, now: datetime) -> Bar:
        is_first = now < bar.ends_at + RECALCULATED_AFTER
        if self.publication != "late_and_recalculated" or not is_first:
            return bar
        return replace(bar, volume=bar.volume - bar.volume // _REPORTED_LATE)

    def _seen(self, bars: Iterable[Bar]) -> Iterable[Bar]:
        if self.venue == "whole_market":
            return bars
        return (
            replace(bar, volume=max(1, round(bar.volume * _SHARE)))
            for bar in bars
            if _drawn(bar) >= math.exp(-bar.volume * _SHARE / _USUAL_TRADE)
        )


def _drawn(bar: Bar) -> float:
    """A number from 0 to 1 that is the bar's own: what is missing is missing each time."""
    digest = hashlib.sha256(f"{bar.ticker} {bar.ts.isoformat()}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
