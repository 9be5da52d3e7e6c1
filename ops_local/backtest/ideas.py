"""Watchlist and signals of each minute, from the day's features and news."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from ops_local.backtest.book.book import Book
from ops_local.backtest.book.database import MemoryDatabase
from ops_local.backtest.day_inputs import DayInputs
from ops_local.backtest.tape_pass import newest
from ops_pipeline.db import recommendations as rows
from ops_pipeline.db.accounts import entry_accounts
from ops_pipeline.db.features import StoredFeatures
from ops_pipeline.db.market_data import asked_bars
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.db.recommendations import Decided, SignalInputs
from ops_pipeline.domain.market import MINUTE, new_york_day, new_york_time
from ops_pipeline.domain.news.ticker_sentiment import ticker_sentiment
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.domain.signals import Circumstances, evaluate
from ops_pipeline.domain.watchlist import score, select


class Ideas:
    """Knows the list's members; stores signals with their recommendations in the book.

    Attributes:
        evaluated: Tick, ticker and confidence of each evaluation, held ones too.
    """

    def __init__(
        self, inputs: DayInputs, book: Book, db: MemoryDatabase, parameters: Versioned
    ) -> None:
        self._inputs, self._book, self._db = inputs, book, db
        self._parameters = parameters
        self.evaluated: list[tuple[datetime, str, float | None]] = []
        self._members: dict[str, datetime] = {}
        self._at: dict[str, int] = dict.fromkeys(inputs.features, 0)
        self._stored: dict[str, StoredFeatures] = {}

    @property
    def _rules(self) -> Parameters:
        return self._parameters.rules

    def look(self, tick: datetime, now: datetime) -> None:
        """Take the minute's bars and features, keep the list, and recommend what it signals."""
        self._take_bars(tick)
        self._take_features(tick, now)
        known = self._known(self._inputs.recording.tickers, tick, now)
        scores = {
            ticker: score(it.stored.features, it.news, self._rules.watchlist, self._rules.news)
            for ticker, it in known.items()
        }
        entries = select(
            self._inputs.recording.tickers, scores, self._members, tick, self._rules.watchlist
        )
        self._members = {it.ticker: it.entered_at for it in entries if it.entered_at is not None}
        self._signal({it: known[it] for it in known if it in self._members}, tick, now)

    def _take_bars(self, tick: datetime) -> None:
        market = self._book.market
        for ticker in self._inputs.recording.tickers:
            market.asked_until[ticker] = tick
            bars = self._inputs.bars.get(ticker)
            found = None if bars is None else newest(bars, tick)
            if found is not None:
                market.bars[ticker] = found

    def _take_features(self, tick: datetime, now: datetime) -> None:
        for ticker, its in self._inputs.features.items():
            at = self._at[ticker]
            if self._inputs.bars[ticker].is_held(tick):
                continue
            while at < len(its) and its[at].ts < tick:
                self._stored[ticker] = StoredFeatures(its[at], now)
                self._book.market.features[ticker] = (its[at].ts, now)
                at += 1
            self._at[ticker] = at

    def _known(
        self, tickers: tuple[str, ...], tick: datetime, now: datetime
    ) -> dict[str, SignalInputs]:
        since = tick - MINUTE - timedelta(seconds=self._rules.gates.feature_age_s)
        fresh = {
            ticker: self._stored[ticker]
            for ticker in sorted(tickers)
            if ticker in self._stored
            and self._stored[ticker].features.ts >= since
            and not self._inputs.bars[ticker].is_held(tick)
        }
        window = self._rules.news.window_minutes
        stories = self._inputs.stories(now, window)
        return {
            ticker: SignalInputs(
                stored, ticker_sentiment(stories.get(ticker, ()), now, window_minutes=window)
            )
            for ticker, stored in fresh.items()
        }

    def _signal(self, known: Mapping[str, SignalInputs], tick: datetime, now: datetime) -> None:
        since = tick - timedelta(minutes=self._rules.signals.rest_minutes)
        names, day_start = list(known), new_york_time(new_york_day(tick), 0)
        with self._db.transaction() as tx:
            signalled = rows.last_signals(tx, names, since=since, tick=tick)
            holders = rows.stock_holders(tx, names)
            buyers = entry_accounts(tx)
            covered = asked_bars.coverage(tx, names, day_start=day_start)
            decided = [
                Decided(
                    evaluate(
                        it.stored.features,
                        it.news,
                        self._rules,
                        Circumstances(
                            tick=tick,
                            last_signal_at=signalled.get(ticker),
                            buyers=buyers,
                            holders=holders.get(ticker, ()),
                            bar_coverage=covered[ticker],
                        ),
                    ),
                    it,
                )
                for ticker, it in known.items()
            ]
            self.evaluated += [
                (tick, it.evaluation.ticker, it.evaluation.confidence) for it in decided
            ]
            signals = [it for it in decided if it.evaluation.outcome == "SIGNAL"]
            rows.save(tx, signals, tick=tick, parameter_version=self._parameters.version, now=now)
