"""Watches for tickers that fall silent on a live feed, and for the end of their silence."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.db import telemetry
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.market_state import trading_halts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.market import Quotes, Session
from ops_pipeline.domain.market_state.silence import LOOKED_BACK, Silence, silences, suspects
from ops_pipeline.errors import MarketDataUnavailable


@dataclass(frozen=True, slots=True)
class SilenceWatch:
    """One look, after the newest bars were stored.

    Attributes:
        upto: End of the newest minute that was asked for.
        after: How long a silence has to last.
    """

    db: UnitsOfWork
    quotes: Callable[[Sequence[str]], Quotes]
    session: Session
    upto: datetime
    after: timedelta
    now: datetime

    def look(self, tickers: Sequence[str]) -> int:
        """Store silences that last or have ended; return how many last.

        Args:
            tickers: Those whose newest minutes were read.
        """
        opens_at = self.session.opens_at
        with self.db.transaction() as tx:
            newest = telemetry.newest_bars(tx, tickers, opens_at, self.upto)
            silent = trading_halts.silent_since(tx)
        found = self._found(newest)
        with self.db.transaction() as tx:
            for each in found:
                trading_halts.silence_began(
                    tx, each.ticker, reason=each.reason, halted_at=each.since, now=self.now
                )
            for ticker, since in silent.items():
                self._end(tx, ticker, since, newest.get(ticker))
        return len(found)

    def _found(self, newest: Mapping[str, datetime]) -> list[Silence]:
        if self.upto >= self.session.closes_at:
            return []
        asked = suspects(newest, self.session, self.upto, self.after)
        if not asked:
            return []
        ends = {ticker: newest[ticker] for ticker in asked}
        with self.db.transaction() as tx:
            bars = telemetry.bars_until(tx, ends, LOOKED_BACK)
        try:
            quotes = self.quotes(asked)
        except MarketDataUnavailable:
            # Whether they are quoted is not known: nothing is concluded.
            return []
        odd = {it.symbol for it in quotes.illegible}
        legible = {ticker: ts for ticker, ts in ends.items() if ticker not in odd}
        return silences(legible, bars, quotes, self.upto)

    def _end(self, tx: Transaction, ticker: str, since: datetime, newest: datetime | None) -> None:
        """With the first bar that is stored after it, or with the session."""
        if newest is not None and newest >= since:
            trading_halts.silence_ended(tx, ticker, at=newest)
        elif self.upto >= self.session.closes_at or since < self.session.opens_at:
            trading_halts.silence_ended(tx, ticker, at=self.upto)
