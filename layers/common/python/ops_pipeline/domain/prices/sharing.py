"""When a quote that was fetched for one account is used for another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.domain.market import Quote, Quotes, Trade

# Half of what a quote may be old when it decides (`gates.quote_age_s`). The guard reads at the
# start of a minute and the dispatcher some ten seconds later, so that both use one request.
SHARED_AGE_S = 30


@dataclass(frozen=True, slots=True)
class QuoteSample:
    """What the vendor told of one symbol, once.

    Attributes:
        quote: None where nobody quoted it, or where it could not be read.
        trade: Its last trade; None where none was told.
        illegible: Why the quote could not be read; None where it could, or was missing.
    """

    symbol: str
    fetched_at: datetime
    quote: Quote | None
    trade: Trade | None
    illegible: str | None


def oldest_shared(now: datetime) -> datetime:
    """Samples that were fetched before then are not used: the symbol is asked for again."""
    return now - timedelta(seconds=SHARED_AGE_S)


def samples_of(symbols: Sequence[str], found: Quotes, fetched_at: datetime) -> list[QuoteSample]:
    """A sample of each symbol that was asked for, of those that nobody quotes too."""
    reasons = {item.symbol: item.reason for item in found.illegible if item.symbol is not None}
    return [
        QuoteSample(
            symbol,
            fetched_at,
            quote=found.get(symbol),
            trade=found.trades.get(symbol),
            illegible=None if symbol in found else reasons.get(symbol),
        )
        for symbol in symbols
    ]


def quotes_of(samples: Mapping[str, QuoteSample]) -> Quotes:
    """The samples as an answer of the vendor."""
    each = samples.values()
    return Quotes(
        {it.symbol: it.quote for it in each if it.quote is not None},
        [_illegible(it.symbol, it.illegible) for it in each if it.illegible is not None],
        {it.symbol: it.trade for it in each if it.trade is not None},
    )


def _illegible(symbol: str, reason: str) -> IllegibleItem:
    return IllegibleItem(kind="quote", name=symbol, reason=reason, content="", symbol=symbol)
