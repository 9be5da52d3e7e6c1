"""Quotes and bars of a recording as the vendor would tell them, without HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from ops_local.exchange.market.tape import Tape
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import Bar, Quotes
from ops_pipeline.ports import Clock

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class TapeData:
    """ports.MarketData on a tape."""

    tape: Tape
    clock: Clock

    def bars(self, tickers: Sequence[str], start: datetime, end: datetime) -> Listing[Bar]:
        """All that have ended: whoever trades waits until they are published."""
        now = self.clock.now()
        return Listing(
            as_told(bar)
            for ticker in sorted(tickers)
            for bar in self.tape.bars(ticker, start, end - _SECOND, now)
        )

    def quotes(self, tickers: Sequence[str]) -> Quotes:
        now, found = self.clock.now(), Quotes()
        trades = {}
        for ticker in sorted(tickers):
            quote = self.tape.last_quote(ticker, now)
            if quote is None:
                continue
            found[ticker] = replace(quote, bid=_told(quote.bid), ask=_told(quote.ask))
            trade = self.tape.last_trade(ticker, now)
            if trade is not None:
                trades[ticker] = replace(trade, price=_told(trade.price))
        found.trades = trades
        return found


def as_told(bar: Bar) -> Bar:
    """The bar with its prices as JSON has them."""
    return replace(
        bar,
        open=_told(bar.open),
        high=_told(bar.high),
        low=_told(bar.low),
        close=_told(bar.close),
    )


def _told(price: Decimal) -> Decimal:
    """The shortest decimal that reads back as the same float, as over the wire."""
    return Decimal(repr(float(price)))
