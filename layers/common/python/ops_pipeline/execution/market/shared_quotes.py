"""Quotes of all accounts' symbols, fetched once a minute by whoever needs one first."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from time import sleep
from typing import TypeVar

from ops_pipeline.db.market_data import quote_samples
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.domain.market import Quotes, minute_of
from ops_pipeline.domain.prices.sharing import QuoteSample, oldest_shared, quotes_of, samples_of
from ops_pipeline.domain.trading_terms import is_contract
from ops_pipeline.errors import CommitUnknown, DatabaseUnavailable, MarketDataUnavailable
from ops_pipeline.execution.isolation import isolated, what_failed
from ops_pipeline.execution.market.patience import Patience
from ops_pipeline.ports import Clock, Journal, MarketData

T = TypeVar("T")

# While another account's run fetches.
_LOOKS, _BETWEEN_S = 20, 0.1
# Of the guard's 45 seconds and the dispatcher's 30: what else they do matters more.
PATIENCE_S = 15.0


@dataclass
class _RunState:
    """What one run has found out.

    Attributes:
        alone: Sharing has failed: it goes on without.
    """

    patience: Patience = field(default_factory=lambda: Patience(PATIENCE_S))
    alone: bool = False


@dataclass(frozen=True, slots=True)
class SharedQuotes:
    """Answers as MarketData.quotes does, from what was fetched for any account a moment ago.

    For one run: it waits `PATIENCE_S` for the vendor in all. Where sharing itself fails, as while
    a table is locked, the run asks for its own.
    """

    db: UnitsOfWork
    data: MarketData
    clock: Clock
    journal: Journal
    data_feed: str
    run: _RunState = field(default_factory=_RunState)

    def quotes(self, symbols: Sequence[str]) -> Quotes:
        """The latest quotes of these, none fetched longer ago than `SHARED_AGE_S`.

        The first in a minute that lacks one fetches all that is held, pending or watched in any
        account; others wait up to two seconds for it. What is still missing is asked for directly.

        Raises:
            MarketDataUnavailable: a symbol that is not shared could not be read.
        """
        known, told = self._known(symbols), Quotes()
        if _missing(symbols, known):
            known, told = self._for_all(symbols)
        if missing := _missing(symbols, known):
            told = self._ask(missing)
            known = {**known, **self._keep(missing, told)}
        shared = quotes_of(known)
        # The answer's own items say more than what is kept of them.
        items: dict[str | None, IllegibleItem] = {it.symbol: it for it in shared.illegible}
        items |= {item.symbol: item for item in told.illegible if item.symbol in (None, *symbols)}
        return Quotes(shared, items.values(), shared.trades, told.trades_error)

    def _for_all(self, symbols: Sequence[str]) -> tuple[Mapping[str, QuoteSample], Quotes]:
        """What this minute's request brings, by this run or by another's.

        One that was not finished, as its run died, is made by who has waited for it.
        """
        minute = minute_of(self.clock.now())
        everyone = self._sharing(lambda: self._to_fetch(minute, symbols), None)
        if everyone is None:
            return self._known(symbols), Quotes()
        told, samples = Quotes(), dict[str, QuoteSample]()
        # What another account's symbols cost is not this one's failure: it asks for its own next.
        with suppress(MarketDataUnavailable):
            told = self._ask(everyone)
            samples = self._keep(everyone, told)
        self._sharing(lambda: self._note_done(minute), None)
        return {it: samples[it] for it in symbols if it in samples}, told

    def _to_fetch(self, minute: datetime, symbols: Sequence[str]) -> list[str] | None:
        """What this run fetches for all; None where another one has fetched it."""
        with self.db.transaction() as tx:
            is_first = quote_samples.claim(tx, minute, now=self.clock.now())
        if not is_first and self._is_done(minute):
            return None
        with self.db.transaction() as tx:
            wanted = quote_samples.wanted_symbols(tx)
        return sorted({*symbols, *(it for it in wanted if not is_contract(it))})

    def _is_done(self, minute: datetime) -> bool:
        """Wait for the run that fetches; False where it takes too long, as one that died does."""
        for _ in range(_LOOKS):
            with self.db.transaction() as tx:
                if quote_samples.is_done(tx, minute):
                    return True
            sleep(_BETWEEN_S)
        return False

    def _note_done(self, minute: datetime) -> None:
        with self.db.transaction() as tx:
            quote_samples.note_done(tx, minute, now=self.clock.now())

    def _ask(self, symbols: Sequence[str]) -> Quotes:
        return self.run.patience.ask(partial(self.data.quotes, symbols))

    def _known(self, symbols: Sequence[str]) -> Mapping[str, QuoteSample]:
        now = self.clock.now()

        def read() -> Mapping[str, QuoteSample]:
            with self.db.transaction() as tx:
                return quote_samples.newest(
                    tx, symbols, data_feed=self.data_feed, since=oldest_shared(now), until=now
                )

        return self._sharing(read, {})

    def _keep(self, symbols: Sequence[str], told: Quotes) -> dict[str, QuoteSample]:
        now = self.clock.now()
        samples = samples_of(symbols, told, now)
        # Where it fails this run has its quotes; the others ask for theirs.
        self._sharing(lambda: self._store(samples, now), None)
        return {each.symbol: each for each in samples}

    def _store(self, samples: Sequence[QuoteSample], now: datetime) -> None:
        with self.db.transaction() as tx:
            quote_samples.store(tx, samples, data_feed=self.data_feed, now=now)

    def _sharing(self, step: Callable[[], T], otherwise: T) -> T:
        """What a step of sharing brings, else what is as good for a run that is alone.

        A lock that is waited for in vain is one failure: there is no second step to wait for.
        What is wrong with the database itself meets the run's next statement.
        """
        if self.run.alone:
            return otherwise
        try:
            found = isolated(step)
        except (DatabaseUnavailable, CommitUnknown) as error:
            found = error
        if not isinstance(found, Exception):
            return found
        self.run.alone = True
        self.journal.went_wrong("quotes_not_shared", error=what_failed(found))
        return otherwise


def _missing(symbols: Sequence[str], known: Mapping[str, QuoteSample]) -> list[str]:
    return [symbol for symbol in symbols if symbol not in known]
