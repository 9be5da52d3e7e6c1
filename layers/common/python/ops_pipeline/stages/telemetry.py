"""Fetches the newest bars, quarantines implausible ones and halts tickers whose price jumped."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from time import monotonic

from ops_pipeline.db import telemetry
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.market_data import asked_bars
from ops_pipeline.db.operations.alerts import open_alert, open_of_kind, resolve_alert
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.db.runs import EVERYTHING, UnitsOfWork
from ops_pipeline.domain import bars
from ops_pipeline.domain.bars import Jump, RejectedBar
from ops_pipeline.domain.legible import IllegibleItem, Listing
from ops_pipeline.domain.market import MINUTE, Bar, Quote, Quotes, Session, minute_of, new_york_day
from ops_pipeline.domain.operations.alerts import Alert, AlertKey, bars_doubted, bars_missing
from ops_pipeline.domain.parameters import Parameters, PriceRules
from ops_pipeline.domain.prices.bar_plausibility import FAR_OFF, BarVerdicts, judge_bars
from ops_pipeline.domain.prices.bar_slices import (
    LONGEST,
    BarSlice,
    asked_twice_until,
    in_turn,
    newest_slices,
    older_slices,
)
from ops_pipeline.domain.prices.plausibility import Evidence, judge
from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.execution import illegible_items
from ops_pipeline.execution.isolation import isolated, what_failed
from ops_pipeline.execution.market.patience import Patience
from ops_pipeline.ports import Calendar, Clock, MarketData
from ops_pipeline.stages.bar_fetching import SIDE_BY_SIDE, in_slices
from ops_pipeline.stages.market_state.silence_watch import SilenceWatch
from ops_pipeline.stages.request import TickRequest

# Together less than the function's time-out, so that what was fetched can still be stored.
PATIENCE_S, BUDGET_S = 3.0, 16.0
# Of them for quotes beside odd bars and silent tickers.
QUOTES_WITHIN_S = 3.0
# Of the 200 requests a minute of Alpaca's free plan; the others are for quotes and retries.
MOST_REQUESTS = 120
# Of those a tick: nothing that is decided now waits for them.
_SECOND_LOOKS = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """`stored` counts new or changed bars, `held` the tickers halted for this day.

    `illegible` items of the vendor's lists are no bars at all; `rejected` are implausible ones,
    `doubted` those of them that are only far from the bars beside them, and may be believed yet.
    Of the requests, `failed` had no answer that could be stored, and `postponed` had no time.
    `silent` tickers have no bar and no new quote while the rest of the feed lives.
    """

    tickers: int
    fetched: int
    stored: int
    rejected: int
    doubted: int
    illegible: int
    held: int
    failed: int = 0
    postponed: int = 0
    silent: int = 0


def run(
    request: TickRequest,
    *,
    db: UnitsOfWork,
    market_data: MarketData,
    calendar: Calendar,
    clock: Clock,
    parameters: Versioned,
    data_feed: str,
    budget_s: float = BUDGET_S,
    most_requests: int = MOST_REQUESTS,
) -> Outcome:
    """Update lane_telemetry up to the tick, or to the end of its session.

    The newest minutes of all tickers come first, then what is missing of the day, then what was
    last asked for within half an hour. Each request's bars are one transaction: a run that is
    killed or out of time keeps what it has, and the next one goes on.

    Raises:
        MarketDataUnavailable: none of the newest minutes could be read.
    """
    ends_at = monotonic() + budget_s
    rules = parameters.rules.telemetry
    # A tick given by hand may be ahead of the clock: no bar is final before now.
    upto = min(request.tick, clock.now())
    session = calendar.session(new_york_day(upto))
    if session is not None:
        upto = min(upto, session.closes_at)
    upto, day_starts = minute_of(upto), bars.fetch_from(upto, None, rules)
    with db.transaction() as tx:
        tickers = telemetry.watched_tickers(tx)
        newest = telemetry.newest_bars(tx, tickers, day_starts, upto)
    keeper = _Keeper(db, market_data, clock, session, parameters.rules, data_feed, upto, newest)
    first = in_turn(newest_slices(tickers, newest, upto, rules), upto)
    # Where each answer takes most of the time, what is missing has no turn after them.
    beside = min(SIDE_BY_SIDE, most_requests) - len(first)
    keeper.keep_all([*first, *keeper.missing(tickers, day_starts)[: max(0, beside)]], ends_at)
    if first and keeper.unread == len(first):
        raise MarketDataUnavailable(keeper.first_error or f"no answer within {budget_s:g} s")
    silent = keeper.make_up(tickers, day_starts, most_requests, ends_at)
    held = keeper.finish()
    return Outcome(
        tickers=len(tickers),
        fetched=keeper.fetched,
        stored=keeper.stored,
        rejected=keeper.rejected,
        doubted=keeper.doubted,
        illegible=len(keeper.illegible),
        held=held,
        failed=keeper.failed,
        postponed=keeper.postponed,
        silent=silent,
    )


def _silent(keeper: "_Keeper", tickers: Sequence[str]) -> int:
    """How many tickers are silent; none is while some of the minutes could not be asked for."""
    session = keeper.session
    if session is None or keeper.failed or keeper.postponed:
        return 0
    odd = {item.symbol for item in keeper.illegible}
    watch = SilenceWatch(
        db=keeper.db,
        quotes=keeper.quotes,
        session=session,
        upto=keeper.upto,
        after=timedelta(minutes=keeper.rules.telemetry.silence_minutes),
        now=keeper.clock.now(),
    )
    found = isolated(lambda: watch.look([ticker for ticker in tickers if ticker not in odd]))
    if isinstance(found, Exception):
        # The bars are stored; that nobody looked is told with those that are missing.
        keeper.failed += 1
        keeper.first_error = f"silences not looked for: {what_failed(found)}"
        return 0
    return found


@dataclass(slots=True)
class _Keeper:
    """Stores what one run fetches, request by request, and counts it.

    `late` requests are those of the newest minutes that were not answered in time, and `unread`
    these and those that failed. `tried` are all that were made.
    """

    db: UnitsOfWork
    market_data: MarketData
    clock: Clock
    session: Session | None
    rules: Parameters
    data_feed: str
    upto: datetime
    newest: Mapping[str, datetime]
    fetched: int = 0
    stored: int = 0
    rejected: int = 0
    doubted: int = 0
    failed: int = 0
    postponed: int = 0
    late: int = 0
    unread: int = 0
    tried: set[BarSlice] = field(default_factory=set)
    first_error: str = ""
    patience: Patience = field(default_factory=lambda: Patience(QUOTES_WITHIN_S))
    illegible: list[IllegibleItem] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)

    @property
    def day(self) -> date:
        return new_york_day(self.upto)

    def keep_all(self, slices: Sequence[BarSlice], ends_at: float) -> None:
        """Fetch and store these; one that fails stops no other."""
        self.tried |= {*slices}
        for part, answer in in_slices(
            slices, self.market_data, patience_s=PATIENCE_S, ends_at=ends_at
        ):
            newest = part.end >= self.upto
            if answer is None:
                self.postponed += 1
                self.late, self.unread = self.late + newest, self.unread + newest
                continue
            kept = (
                answer
                if isinstance(answer, MarketDataUnavailable)
                else isolated(partial(self._keep, part, answer))
            )
            if isinstance(kept, Exception):
                self.failed, self.unread = self.failed + 1, self.unread + newest
                known = isinstance(kept, MarketDataUnavailable)
                self.first_error = self.first_error or (str(kept) if known else what_failed(kept))

    def missing(self, tickers: Sequence[str], day_starts: datetime) -> list[BarSlice]:
        """What was not asked for yet of minutes that the newest slices do not reach."""
        with self.db.transaction() as tx:
            unasked = asked_bars.unasked(tx, tickers, self.day, day_starts, self.upto - LONGEST)
        return [part for part in older_slices(unasked) if part not in self.tried]

    def make_up(
        self, tickers: Sequence[str], day_starts: datetime, most: int, ends_at: float
    ) -> int:
        """Fetch what is missing of the day, and again what was asked for early.

        Returns how many tickers are silent, which is looked for in between.
        """
        older, left = self.missing(tickers, day_starts), max(0, most - len(self.tried))
        self.keep_all(older[:left], ends_at)
        self.postponed += max(0, len(older) - left)
        silent = _silent(self, tickers)
        with self.db.transaction() as tx:
            unsettled = asked_bars.unsettled(
                tx, tickers, self.day, day_starts, asked_twice_until(self.upto)
            )
        looks = min(_SECOND_LOOKS, max(0, left - len(older)))
        self.keep_all(older_slices(unsettled)[:looks], ends_at)
        return silent

    def quotes(self, tickers: Sequence[str]) -> Quotes:
        """Raises MarketDataUnavailable, also when this run has no more time for quotes."""
        return self.patience.ask(partial(self.market_data.quotes, tickers))

    def _keep(self, part: BarSlice, answer: Listing[Bar]) -> None:
        validated = bars.validate(answer, part.tickers, self.upto)
        judge = _Judge(self.db, self.quotes, self.session, self.rules, self.clock.now())
        judged = judge.judge(validated.sound)
        aside = [*validated.rejected, *(RejectedBar(bar, FAR_OFF) for bar in judged.doubted)]
        now = self.clock.now()
        with self.db.transaction() as tx:
            telemetry.stage(tx, judged.believed)
            closes = telemetry.last_closes(tx, _firsts(judged.believed))
            jumped = bars.jumps(judged.believed, closes, self.rules.telemetry)
            stored = telemetry.merge(tx, data_feed=self.data_feed, now=now)
            rejected = telemetry.quarantine(tx, aside, data_feed=self.data_feed, now=now)
            held = _hold_back(tx, jumped, now)
            known = self._known(part, answer, aside)
            asked_bars.note_asked(tx, known, self.day, settled_until=self.upto - LONGEST)
            asked_bars.ask_again(tx, self._silent(part, judged), part.start, self.day)
        # Counted once it is committed.
        self.held |= held
        self.fetched += len(answer)
        self.stored, self.rejected = self.stored + stored, self.rejected + rejected
        self.doubted += len(judged.doubted)
        self.illegible += [*answer.illegible, *bars.illegible(validated.rejected)]
        self.read |= {bar.ticker for bar in validated.sound}

    def _known(
        self, part: BarSlice, answer: Listing[Bar], aside: Sequence[RejectedBar]
    ) -> BarSlice:
        """The part with those of its tickers whose minutes are known now.

        What could not be read or believed of the newest minutes is asked for again, and no
        minute without a trade.
        """
        if part.end < self.upto:
            return part
        odd = {it.symbol for it in answer.illegible} | {it.bar.ticker for it in aside}
        known = () if None in odd else (it for it in part.tickers if it not in odd)
        return replace(part, tickers=tuple(known))

    def _silent(self, part: BarSlice, judged: BarVerdicts) -> dict[str, datetime]:
        """Tickers whose silence has ended with the newest bars, and when it began.

        What was asked for in vain may have come late together with them.
        """
        if part.end < self.upto:
            return {}
        day_starts = bars.fetch_from(self.upto, None, self.rules.telemetry)
        silent_since = {
            ticker: self.newest[ticker] + MINUTE if ticker in self.newest else day_starts
            for ticker in {bar.ticker for bar in judged.believed}
        }
        return {
            ticker: since for ticker, since in sorted(silent_since.items()) if since < part.start
        }

    def finish(self) -> int:
        """Alert on what the whole run has shown; return how many tickers are held back."""
        now = self.clock.now()
        with self.db.transaction() as tx:
            _note_doubted(tx, self.rules.prices, self.upto, now)
            for ticker in telemetry.release_past_holds(tx, self.day, now=now):
                resolve_alert(tx, AlertKey("price_jump", EVERYTHING, ticker), now=now)
            illegible_items.update_market(tx, "bar", self.read, self.illegible, now)
            if self.failed or self.late:
                error = self.first_error or "no answer in time"
                open_alert(tx, bars_missing(self.failed + self.late, error), now=now)
            else:
                resolve_alert(tx, AlertKey("bars_missing", EVERYTHING, "telemetry"), now=now)
            return len(telemetry.halted_tickers(tx, self.day) | self.held)


@dataclass(frozen=True, slots=True)
class _Judge:
    """Judges the bars of one fetch beside what is stored, and quotes where that leaves a doubt."""

    db: UnitsOfWork
    quotes: Callable[[Sequence[str]], Quotes]
    session: Session | None
    rules: Parameters
    now: datetime

    def judge(self, sound: Sequence[Bar]) -> BarVerdicts:
        firsts = _firsts(sound)
        with self.db.transaction() as tx:
            before = telemetry.bars_before(tx, firsts) if firsts else {}
        found = self._judged(sound, before, {})
        # What is known now says nothing of bars of long before.
        since = self.now - timedelta(seconds=self.rules.prices.evidence_age_s)
        tickers = sorted({bar.ticker for bar in found.doubted if bar.ts >= since})
        if not tickers:
            return found
        return self._judged(sound, before, self._quoted(tickers))

    def _judged(
        self,
        sound: Sequence[Bar],
        before: Mapping[str, Evidence],
        others: Mapping[str, Sequence[Evidence]],
    ) -> BarVerdicts:
        return judge_bars(
            sound,
            before,
            others,
            session=self.session,
            prices=self.rules.prices,
            jumps=self.rules.telemetry,
        )

    def _quoted(self, tickers: Sequence[str]) -> dict[str, list[Evidence]]:
        """What trades say now, and quotes whose width and sizes are plausible."""
        try:
            quotes = self.quotes(tickers)
        except MarketDataUnavailable:
            # Then only the next bar can bear them out.
            return {}
        others: dict[str, list[Evidence]] = {}
        for ticker in tickers:
            quote, trade = quotes.get(ticker), quotes.trades.get(ticker)
            its = [] if trade is None else [Evidence.of_trade(trade)]
            if quote is not None and self._is_plausible(quote, its):
                its.append(Evidence(quote.mid, quote.ts, "quote"))
            others[ticker] = its
        return others

    def _is_plausible(self, quote: Quote, others: Sequence[Evidence]) -> bool:
        """By itself and beside the trade: the bars are what is in question."""
        judged = judge(
            quote,
            others,
            now=self.now,
            session=self.session,
            rules=self.rules.prices,
            most_age_s=self.rules.gates.quote_age_s,
        )
        return judged.believed


def _firsts(in_order: Sequence[Bar]) -> dict[str, datetime]:
    """The first minute of each ticker."""
    return {bar.ticker: bar.ts for bar in reversed(in_order)}


def _note_doubted(tx: Transaction, rules: PriceRules, upto: datetime, now: datetime) -> None:
    """Mark what is believed after all, and alert where a ticker's bars go on being doubted."""
    since = upto - timedelta(seconds=rules.evidence_age_s)
    telemetry.accept(tx, since=since, now=now)
    counts = telemetry.doubted_in_a_row(tx, since=since)
    for scope, ticker in open_of_kind(tx, "bars_doubted"):
        if ticker not in counts:
            resolve_alert(tx, AlertKey("bars_doubted", scope, ticker), now=now)
    for ticker, count in counts.items():
        if count >= rules.unpriced_ticks:
            open_alert(tx, bars_doubted(ticker, count, FAR_OFF), now=now)


def _hold_back(tx: Transaction, jumped: Sequence[Jump], now: datetime) -> set[str]:
    """Halt what jumped, for the day of the jump; return what was not halted for it before."""
    new = [jump for jump in jumped if telemetry.hold(tx, jump, now=now)]
    for jump in new:
        open_alert(tx, _price_jump(jump), now=now)
    return {jump.bar.ticker for jump in new}


def _price_jump(jump: Jump) -> Alert:
    return Alert(
        kind="price_jump",
        scope=EVERYTHING,
        subject=jump.bar.ticker,
        severity="warning",
        message=f"{jump.reason}: held back for the session until it is explained",
        details={
            "ts": jump.bar.ts.isoformat(),
            "previous_close": str(jump.previous_close),
            "close": str(jump.bar.close),
        },
    )
