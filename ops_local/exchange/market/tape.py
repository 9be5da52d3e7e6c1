"""Market data of the recording as known at a given moment: no look-ahead."""

from bisect import bisect_left, bisect_right
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from ops_local.recordings.recording import Recording
from ops_pipeline.domain.market import MINUTE, Bar, Quote, Session, minute_of

# Orders do not fill against a quote that was not renewed for longer than this.
QUOTE_STANDS = timedelta(minutes=5)


class Tape:
    """The recording, indexed by ticker.

    A bar becomes known when its minute is over. A recorded quote is the last one of
    its minute, so it becomes known one minute after the row's `ts` and is dated so.
    """

    def __init__(self, recording: Recording) -> None:
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

    def bars(self, ticker: str, start: datetime, end: datetime, now: datetime) -> list[Bar]:
        """The finished bars with start <= ts <= end, oldest first."""
        starts = self._bar_starts.get(ticker, [])
        first = bisect_left(starts, start)
        last = bisect_right(starts, min(end, now - MINUTE))
        return self._bars[ticker][first:last] if first < last else []

    def last_bar(self, ticker: str, now: datetime) -> Bar | None:
        """The newest finished bar."""
        known = bisect_right(self._bar_starts.get(ticker, []), now - MINUTE)
        return self._bars[ticker][known - 1] if known else None

    def last_quote(self, ticker: str, now: datetime) -> Quote | None:
        """The newest quote, however old, one-sided or crossed."""
        known = bisect_right(self._quote_times.get(ticker, []), now)
        return self._quotes[ticker][known - 1] if known else None

    def tradable_quote(self, ticker: str, now: datetime, session: Session) -> Quote | None:
        """The quote that orders may fill against, or None while they have to wait.

        It is of this session, has two sides that do not cross, and is recent enough.
        """
        quote = self.last_quote(ticker, now)
        if quote is None or not quote.usable or now - quote.ts > QUOTE_STANDS:
            return None
        return quote if quote.ts > session.opens_at else None

    def volume_before(self, ticker: str, now: datetime) -> int:
        """Shares traded in the last finished minute; 0 without trades."""
        minute = minute_of(now) - MINUTE
        bar = self.last_bar(ticker, now)
        return bar.volume if bar is not None and bar.ts == minute else 0

    def price(self, ticker: str, now: datetime) -> Decimal | None:
        """The last close, else the mid of the last usable quote, else None, USD.

        A recording may hold implausible bars: a close of zero or less is skipped.
        """
        for known in range(bisect_right(self._bar_starts.get(ticker, []), now - MINUTE), 0, -1):
            if self._bars[ticker][known - 1].close > 0:
                return self._bars[ticker][known - 1].close
        quote = self.last_quote(ticker, now)
        return quote.mid if quote is not None and quote.usable else None
