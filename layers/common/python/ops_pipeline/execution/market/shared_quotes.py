"""Quotes of all accounts' symbols, fetched once a minute by whoever needs one first."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from time import sleep

from ops_pipeline.db.market_data import quote_samples
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.domain.market import Quotes, minute_of
from ops_pipeline.domain.prices.sharing import QuoteSample, oldest_shared, quotes_of, samples_of
from ops_pipeline.domain.trading_terms import is_contract
from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.execution.isolation import isolated, what_failed
from ops_pipeline.ports import Clock, Journal, MarketData

# While another account's run fetches.
_LOOKS, _BETWEEN_S = 20, 0.1


@dataclass(frozen=True, slots=True)
class SharedQuotes:
    """Answers as MarketData.quotes does, from what was fetched for any account a moment ago."""

    db: UnitsOfWork
    data: MarketData
    clock: Clock
    journal: Journal
    data_feed: str

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
            told = self.data.quotes(missing)
            known = {**known, **self._keep(missing, told)}
        shared = quotes_of(known)
        # The answer's own items say more than what is kept of them.
        items: dict[str | None, IllegibleItem] = {it.symbol: it for it in shared.illegible}
        items |= {item.symbol: item for item in told.illegible if item.symbol in (None, *symbols)}
        return Quotes(shared, items.values(), shared.trades, told.trades_error)

    def _for_all(self, symbols: Sequence[str]) -> tuple[dict[str, QuoteSample], Quotes]:
        """What this minute's request brings, by this run or by another's.

        One that was not finished, as its run died, is made by who has waited for it.
        """
        minute = minute_of(self.clock.now())
        with self.db.transaction() as tx:
            is_first = quote_samples.claim(tx, minute, now=self.clock.now())
        if not is_first and self._is_done(minute):
            return self._known(symbols), Quotes()
        with self.db.transaction() as tx:
            wanted = quote_samples.wanted_symbols(tx)
        everyone = sorted({*symbols, *(it for it in wanted if not is_contract(it))})
        told, samples = Quotes(), dict[str, QuoteSample]()
        # What another account's symbols cost is not this one's failure: it asks for its own next.
        with suppress(MarketDataUnavailable):
            told = self.data.quotes(everyone)
            samples = self._keep(everyone, told)
        with self.db.transaction() as tx:
            quote_samples.note_done(tx, minute, now=self.clock.now())
        return {it: samples[it] for it in symbols if it in samples}, told

    def _is_done(self, minute: datetime) -> bool:
        """Wait for the run that fetches; False where it takes too long, as one that died does."""
        for _ in range(_LOOKS):
            with self.db.transaction() as tx:
                if quote_samples.is_done(tx, minute):
                    return True
            sleep(_BETWEEN_S)
        return False

    def _known(self, symbols: Sequence[str]) -> dict[str, QuoteSample]:
        now = self.clock.now()
        with self.db.transaction() as tx:
            return quote_samples.newest(
                tx, symbols, data_feed=self.data_feed, since=oldest_shared(now), until=now
            )

    def _keep(self, symbols: Sequence[str], told: Quotes) -> dict[str, QuoteSample]:
        now = self.clock.now()
        samples = samples_of(symbols, told, now)
        failed = isolated(lambda: self._store(samples, now))
        if failed is not None:
            # This run has its quotes; the others ask for theirs.
            self.journal.went_wrong("quotes_not_shared", error=what_failed(failed))
        return {each.symbol: each for each in samples}

    def _store(self, samples: Sequence[QuoteSample], now: datetime) -> None:
        with self.db.transaction() as tx:
            quote_samples.store(tx, samples, data_feed=self.data_feed, now=now)


def _missing(symbols: Sequence[str], known: Mapping[str, QuoteSample]) -> list[str]:
    return [symbol for symbol in symbols if symbol not in known]
