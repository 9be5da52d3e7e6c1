"""When the silence of one ticker on a live feed suggests that its trading is halted. Times UTC.

A missing minute is ordinary: IEX alone has bars in 64 to 99 % of the minutes of large companies. So
a ticker counts only that had a bar in nearly each minute of the half hour before, and only while
the others go on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.domain.market import MINUTE, Quote, Session

LOOKED_BACK = timedelta(minutes=30)
# Of those thirty minutes. On 54 days of fourteen tickers at IEX 590 gaps of five minutes or more
# became 13 by it.
FEWEST_BARS = 27
# The feed lives where at least three others, and half of them, had a bar so lately.
LIVELY_WITHIN = timedelta(minutes=2)
_FEWEST_LIVELY = 3


@dataclass(frozen=True, slots=True)
class Silence:
    """A ticker without a bar and without a new quote since `since`, for `minutes`."""

    ticker: str
    since: datetime
    minutes: int

    @property
    def reason(self) -> str:
        return f"no bar and no new quote for {self.minutes} minutes, while others have them"


def suspects(
    newest: Mapping[str, datetime], session: Session, upto: datetime, after: timedelta
) -> list[str]:
    """Tickers without a bar for so long while the rest of the feed lives.

    Args:
        newest: Start of each ticker's newest bar of the session; without one it is left out.
        upto: End of the newest minute that can have a bar.
    """
    lively = [it for it, ts in newest.items() if upto - (ts + MINUTE) <= LIVELY_WITHIN]
    if len(lively) < max(_FEWEST_LIVELY, len(newest) / 2):
        return []
    earliest = session.opens_at + LOOKED_BACK - MINUTE
    return sorted(
        ticker for ticker, ts in newest.items() if ts >= earliest and upto - (ts + MINUTE) >= after
    )


def silences(
    newest: Mapping[str, datetime],
    bars: Mapping[str, int],
    quotes: Mapping[str, Quote],
    upto: datetime,
) -> list[Silence]:
    """Of the suspects with so many bars before: those whose quote is as old as their bar.

    Args:
        newest: Start of each suspect's newest bar.
        bars: Each suspect's bars of the half hour that ends with it.
        quotes: The latest quotes; a ticker without one has no new one.
    """
    return [
        Silence(ticker, ts + MINUTE, (upto - ts) // MINUTE - 1)
        for ticker, ts in sorted(newest.items())
        if bars.get(ticker, 0) >= FEWEST_BARS and not _is_quoted(quotes.get(ticker), ts + MINUTE)
    ]


def _is_quoted(quote: Quote | None, since: datetime) -> bool:
    """Whether its quote is of a later minute: the last one may follow the last trade."""
    return quote is not None and quote.ts > since + MINUTE
