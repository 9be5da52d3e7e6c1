"""What of a recorded day no parameter of trading changes: bars, features, news."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from ops_local.backtest.book.book import Book
from ops_local.backtest.book.database import MemoryDatabase
from ops_local.backtest.feeds import RecordedFeeds
from ops_local.backtest.market import TapeData
from ops_local.backtest.shipped import add_accounts, add_securities
from ops_local.backtest.tape_pass import BarReader, NotBacktested, TickerBars, day_features
from ops_local.exchange.accounts import PaperAccount
from ops_local.exchange.market.tape import Tape
from ops_local.feeds.server import address_of, feed_pages, previous_session_day
from ops_local.pipeline import ReplayClock
from ops_local.recordings.recording import Recording
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.adapters.lexicon_classifier import LexiconClassifier
from ops_pipeline.db import feeds as feed_rows
from ops_pipeline.db import news
from ops_pipeline.domain.bars import BAR_OFFSET_S
from ops_pipeline.domain.features import Features
from ops_pipeline.domain.market import MINUTE, Session, new_york_time
from ops_pipeline.domain.news.items import Story
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.domain.prices.plausibility import Evidence, judge
from ops_pipeline.stages import classifier, rss_ingest

_VIX = "vix"
_BARS_AFTER = timedelta(seconds=BAR_OFFSET_S)
# More than a minute of a day ever brings.
_MOST_WAITING = 10_000
# Of trading_cycle, New York.
_FIRST_TICK = (9, 25)


@dataclass
class DayInputs:
    """One day's inputs, computed once for all runs with the same rules of bars and features."""

    recording: Recording
    rules: Parameters
    bounds: tuple[datetime, datetime]
    _stories: dict[tuple[datetime, int], Mapping[str, Sequence[Story]]] = field(
        default_factory=dict
    )

    def is_as(self, other: "DayInputs") -> bool:
        """Whether both are the same day's, read by the same rules."""
        mine, theirs = self.rules, other.rules
        return self.recording is other.recording and (
            mine.telemetry,
            mine.prices,
            mine.features,
            mine.gates.quote_age_s,
        ) == (theirs.telemetry, theirs.prices, theirs.features, theirs.gates.quote_age_s)

    @cached_property
    def tape(self) -> Tape:
        return Tape(self.recording)

    @cached_property
    def session(self) -> Session:
        """The day's session.

        Raises:
            NotBacktested: the exchange was closed that day.
        """
        found = NyseCalendar().session(self.recording.day)
        if found is None:
            raise NotBacktested(f"no session on {self.recording.day}")
        return found

    @cached_property
    def bars(self) -> dict[str, TickerBars]:
        """Each ticker's bars.

        Raises:
            NotBacktested: see BarReader; or trading was halted that day.
        """
        if self.recording.halts:
            raise NotBacktested("it has halts of trading, which only a replay plays yet")
        first_tick = new_york_time(self.recording.day, *_FIRST_TICK)
        reader = BarReader(self.session, self.rules, first_tick, self._witnesses)
        return {ticker: reader.read(ticker, its) for ticker, its in self.recording.bars.items()}

    def _witnesses(self, ticker: str, tick: datetime) -> list[Evidence]:
        """What its last trade and its quote say at a tick, as telemetry asks for them."""
        now = tick + _BARS_AFTER
        quotes = TapeData(self.tape, ReplayClock(now)).quotes([ticker])
        quote, trade = quotes.get(ticker), quotes.trades.get(ticker)
        its = [] if trade is None else [Evidence.of_trade(trade)]
        if quote is not None:
            judged = judge(
                quote,
                its,
                now=now,
                session=self.session,
                rules=self.rules.prices,
                most_age_s=self.rules.gates.quote_age_s,
            )
            its += [Evidence(quote.mid, quote.ts, "quote")] if judged.believed else []
        return its

    @cached_property
    def features(self) -> dict[str, list[Features]]:
        return day_features(self.bars, self.session, self.rules.features)

    @cached_property
    def news(self) -> Book:
        """Every item of the day with its story and verdict, by when they were known."""
        book, (first, last) = Book(), self.bounds
        feeds, db = RecordedFeeds(self.recording), MemoryDatabase(book)
        for name in feed_pages(self.recording):
            book.table("feed_state").insert(_subscribed(name))
        add_securities(book, self.recording.tickers)
        with db.transaction() as tx:
            index = news.name_index(tx, self.recording.day)
            states = {state.url: state for state in feed_rows.feeds_on(tx, first)}
        at = first
        while at < last:
            told = list(feeds.news(at))
            for url, document in told:
                rss_ingest.keep(db, states[url], document, tick=at, now=at)
            if told:
                with db.transaction() as tx:
                    waiting = news.waiting_items(tx, limit=_MOST_WAITING)
                    judged = classifier.judge(waiting, index, LexiconClassifier())
                    news.save_classified(tx, judged, at)
            at += MINUTE
        return book

    def stories(self, now: datetime, window_minutes: int) -> Mapping[str, Sequence[Story]]:
        """The stories of the window by ticker, as far as they were known and judged by then."""
        known = self._stories.get((now, window_minutes))
        if known is None:
            with MemoryDatabase(self.news).transaction() as tx:
                known = news.stories_by_ticker(
                    tx, list(self.recording.tickers), now, window_minutes=window_minutes
                )
            self._stories[now, window_minutes] = known
        return known

    def new_book(self, papers: Sequence[PaperAccount]) -> Book:
        """The book as it is before the day's first minute."""
        book = Book()
        add_accounts(book, (paper.name for paper in papers))
        for paper in papers:
            book.table("account_bindings").insert(
                {
                    "account_name": paper.name,
                    "number_mark": paper.account_number,
                    "bound_at": self.bounds[0],
                    "bound_by": "backtest",
                }
            )
        close = self.recording.vix_previous_close
        if close is not None:
            before = previous_session_day(self.recording.day)
            book.table("vix_history").insert({"day": before, "close": close, "source": _VIX})
        return book


def _subscribed(name: str) -> Mapping[str, object]:
    return {
        "url": address_of(name),
        "source": name,
        "active": True,
        "poll_every_s": 60,
        "failures_in_a_row": 0,
        "kind": "news",
    }
