"""Market data of the recording as known at a given moment: no look-ahead."""

from bisect import bisect_left, bisect_right
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from ops_local.recordings.halts import RecordedHalt
from ops_local.recordings.recording import Recording
from ops_pipeline.domain.market import MINUTE, Bar, Quote, Session, Trade, minute_of
from ops_pipeline.domain.parameters import PriceRules
from ops_pipeline.domain.prices.plausibility import Evidence, judge

# Orders do not fill against a quote that was not renewed for longer than this.
QUOTE_STANDS = timedelta(minutes=5)
_BOUNDS = PriceRules()
_MOMENT = timedelta(microseconds=1)


class Tape:
    """The recording, indexed by ticker.

    A bar becomes known when its minute is over. A recorded quote is the last one of
    its minute, so it becomes known one minute after the row's `ts` and is dated so.

    Attributes:
        vix_before: The volatility index at the close of the session before `day`, index points.
    """

    def __init__(self, recording: Recording) -> None:
        self.day = recording.day
        self.vix_before = recording.vix_previous_close
        self._halts: dict[str, list[RecordedHalt]] = {}
        self._recorded_halts = recording.halts
        self._bars = recording.bars
        self._bar_starts = {
            ticker: [bar.ts for bar in bars] for ticker, bars in recording.bars.items()
        }
        self._quotes = {
            ticker: [replace(quote, ts=quote.ts + MINUTE) for quote in quotes]
            for ticker, quotes in recording.quotes.items()
        }
        self._quote_times = {
            ticker: [quote.ts for quote in quotes] for ticker, quotes in self._quotes.items()
        }
        self.tickers = tuple(sorted({*recording.tickers, *recording.bars, *recording.quotes}))

    def set_halts(self, ticker: str, halts: list[RecordedHalt]) -> None:
        """Halts beside those of the recording: quotes stand still and nothing trades."""
        self._halts[ticker] = halts

    def is_halted(self, ticker: str, moment: datetime) -> bool:
        halts = self._halts.get(ticker)
        if not halts and not self._recorded_halts:
            return False
        return any(it.covers(ticker, moment) for it in (*(halts or ()), *self._recorded_halts))

    def bars(self, ticker: str, start: datetime, end: datetime, now: datetime) -> list[Bar]:
        """The finished bars with start <= ts <= end, oldest first."""
        starts = self._bar_starts.get(ticker, [])
        first = bisect_left(starts, start)
        last = bisect_right(starts, min(end, now - MINUTE))
        found = self._bars[ticker][first:last] if first < last else []
        if not self._halts and not self._recorded_halts:
            return found
        return [bar for bar in found if not self.is_halted(ticker, bar.ts)]

    def last_bar(self, ticker: str, now: datetime) -> Bar | None:
        """The newest finished bar."""
        known = bisect_right(self._bar_starts.get(ticker, []), now - MINUTE)
        while known and self.is_halted(ticker, self._bars[ticker][known - 1].ts):
            known -= 1
        return self._bars[ticker][known - 1] if known else None

    def last_quote(self, ticker: str, now: datetime) -> Quote | None:
        """The newest quote, however old, one-sided or crossed."""
        known = bisect_right(self._quote_times.get(ticker, []), now)
        # One of the halt's very moment was made before it.
        while known and self.is_halted(ticker, self._quotes[ticker][known - 1].ts - _MOMENT):
            known -= 1
        return self._quotes[ticker][known - 1] if known else None

    def tradable_quote(self, ticker: str, now: datetime, session: Session) -> Quote | None:
        """The quote that orders may fill against, or None while they have to wait.

        It is of this session, plausible beside the last bar, recent enough, and not of a halt.
        """
        if self.is_halted(ticker, now):
            return None
        quote = self.plausible_quote(ticker, now, session)
        if quote is None or now - quote.ts > QUOTE_STANDS:
            return None
        return quote if quote.ts > session.opens_at else None

    def plausible_quote(self, ticker: str, now: datetime, session: Session | None) -> Quote | None:
        """The newest quote, however old, if it may be the market's.

        The pipeline's own rule with its default bounds: nobody trades at a stub quote.
        """
        quote, bar = self.last_quote(ticker, now), self.last_bar(ticker, now)
        if quote is None:
            return None
        evidence = [] if bar is None else [Evidence.of_bar(bar)]
        found = judge(quote, evidence, now=quote.ts, session=session, rules=_BOUNDS, most_age_s=0)
        return quote if found.believed else None

    def last_trade(self, ticker: str, now: datetime) -> Trade | None:
        """The close of the newest finished bar, at the end of its minute."""
        bar = self.last_bar(ticker, now)
        return None if bar is None or bar.close <= 0 else Trade(ticker, bar.ends_at, bar.close)

    def volume_before(self, ticker: str, now: datetime) -> int:
        """Shares traded in the last finished minute; 0 without trades."""
        minute = minute_of(now) - MINUTE
        bar = self.last_bar(ticker, now)
        return bar.volume if bar is not None and bar.ts == minute else 0

    def price(self, ticker: str, now: datetime) -> Decimal | None:
        """The last close, else the mid of the last plausible quote, else None, USD.

        A recording may hold implausible bars: a close of zero or less is skipped.
        """
        for known in range(bisect_right(self._bar_starts.get(ticker, []), now - MINUTE), 0, -1):
            bar = self._bars[ticker][known - 1]
            if bar.close > 0 and not self.is_halted(ticker, bar.ts):
                return bar.close
        quote = self.plausible_quote(ticker, now, None)
        return None if quote is None else quote.mid
