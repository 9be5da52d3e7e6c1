"""Reads time, session and quotes for one run."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.domain.market import Quotes, Session, new_york_day
from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.execution.market.shared_quotes import SharedQuotes
from ops_pipeline.ports import Calendar, Clock, Journal, MarketData


@dataclass(frozen=True, slots=True)
class MarketReader:
    """Prices and sessions for one account's run.

    Attributes:
        shared: Where quotes of all accounts are fetched together; None: from `data` alone.
    """

    account_name: str
    data: MarketData
    calendar: Calendar
    clock: Clock
    journal: Journal
    shared: SharedQuotes | None = None

    def now(self) -> datetime:
        return self.clock.now()

    def session(self) -> Session | None:
        """Today's session, open or not; None on a day without one."""
        return self.calendar.session(new_york_day(self.now()))

    def previous_session(self) -> Session:
        return self.calendar.previous_session(new_york_day(self.now()))

    def quotes(self, symbols: Iterable[str]) -> Quotes:
        """The latest quotes; empty when they could not be read, so that gates refuse."""
        wanted = sorted(set(symbols))
        if not wanted:
            return Quotes()
        try:
            found = (self.shared or self.data).quotes(wanted)
        except MarketDataUnavailable as error:
            self.journal.went_wrong("quotes_unknown", account=self.account_name, error=str(error))
            return Quotes()
        if found.trades_error is not None:
            # Bars and earlier quotes are left to judge the quotes by.
            self.journal.went_wrong(
                "trades_unknown", account=self.account_name, error=found.trades_error
            )
        for item in found.illegible:
            self.journal.went_wrong("quote_illegible", account=self.account_name, item=str(item))
        return found
