"""Fetches the newest bars, quarantines implausible ones and halts tickers whose price jumped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ops_pipeline.db import telemetry
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations.alerts import open_alert, open_of_kind, resolve_alert
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.db.runs import EVERYTHING, UnitsOfWork
from ops_pipeline.domain import bars
from ops_pipeline.domain.bars import Jump, RejectedBar
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import Bar, Quote, Session, new_york_day
from ops_pipeline.domain.operations.alerts import Alert, AlertKey, bars_doubted
from ops_pipeline.domain.parameters import Parameters, PriceRules, TelemetryRules
from ops_pipeline.domain.prices.bar_plausibility import FAR_OFF, BarVerdicts, judge_bars
from ops_pipeline.domain.prices.plausibility import Evidence, judge
from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.execution import illegible_items
from ops_pipeline.ports import Calendar, Clock, MarketData
from ops_pipeline.stages.request import TickRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """`stored` counts new or changed bars, `held` the tickers halted for this day.

    `illegible` items of the vendor's lists are no bars at all; `rejected` are implausible ones,
    `doubted` those of them that are only far from the bars beside them, and may be believed yet.
    """

    tickers: int
    fetched: int
    stored: int
    rejected: int
    doubted: int
    illegible: int
    held: int


def run(
    request: TickRequest,
    *,
    db: UnitsOfWork,
    market_data: MarketData,
    calendar: Calendar,
    clock: Clock,
    parameters: Versioned,
    data_feed: str,
) -> Outcome:
    """Update lane_telemetry up to the tick, or to the end of its session.

    Raises:
        MarketDataUnavailable: nothing was stored; the next tick fetches what is missing.
    """
    rules = parameters.rules.telemetry
    # A tick given by hand may be ahead of the clock: no bar is final before now.
    upto = min(request.tick, clock.now())
    session = calendar.session(new_york_day(upto))
    if session is not None:
        upto = min(upto, session.closes_at)
    with db.transaction() as tx:
        tickers = telemetry.watched_tickers(tx)
        newest = telemetry.newest_bars(tx, tickers, bars.fetch_from(upto, None, rules), upto)
    fetched = _fetch(market_data, tickers, newest, upto, rules)
    validated = bars.validate(fetched, tickers, upto)
    odd = [*fetched.illegible, *bars.illegible(validated.rejected)]
    judged = _Judge(db, market_data, session, parameters.rules, clock.now()).judge(validated.sound)
    aside = [*validated.rejected, *(RejectedBar(bar, FAR_OFF) for bar in judged.doubted)]
    now = clock.now()
    with db.transaction() as tx:
        telemetry.stage(tx, judged.believed)
        jumped = bars.jumps(judged.believed, telemetry.last_closes(tx), rules)
        stored = telemetry.merge(tx, data_feed=data_feed, now=now)
        rejected = telemetry.quarantine(tx, aside, data_feed=data_feed, now=now)
        _note_doubted(tx, parameters.rules.prices, upto, now)
        held = _hold_back(tx, jumped, new_york_day(upto), now)
        read = {bar.ticker for bar in validated.sound}
        illegible_items.update_market(tx, "bar", read, odd, now)
    return Outcome(
        tickers=len(tickers),
        fetched=len(fetched),
        stored=stored,
        rejected=rejected,
        doubted=len(judged.doubted),
        illegible=len(odd),
        held=held,
    )


def _fetch(
    market_data: MarketData,
    tickers: list[str],
    newest: dict[str, datetime],
    upto: datetime,
    rules: TelemetryRules,
) -> Listing[Bar]:
    """The last minutes of tickers that have bars today, the whole day so far of the others."""
    begun = [ticker for ticker in tickers if ticker in newest]
    others = [ticker for ticker in tickers if ticker not in newest]
    asked = [
        market_data.bars(names, bars.fetch_from(upto, since, rules), upto)
        for names, since in ((begun, max(newest.values(), default=None)), (others, None))
        if names
    ]
    return Listing(
        [bar for found in asked for bar in found],
        [item for found in asked for item in found.illegible],
    )


@dataclass(frozen=True, slots=True)
class _Judge:
    """Judges the bars of one fetch beside what is stored, and quotes where that leaves a doubt."""

    db: UnitsOfWork
    market_data: MarketData
    session: Session | None
    rules: Parameters
    now: datetime

    def judge(self, sound: Sequence[Bar]) -> BarVerdicts:
        firsts = {bar.ticker: bar.ts for bar in reversed(sound)}
        with self.db.transaction() as tx:
            before = telemetry.bars_before(tx, firsts) if firsts else {}
        found = self._judged(sound, before, {})
        if not found.doubted:
            return found
        tickers = sorted({bar.ticker for bar in found.doubted})
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
            quotes = self.market_data.quotes(tickers)
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


def _hold_back(tx: Transaction, jumped: list[Jump], day: date, now: datetime) -> int:
    """Halt what jumped, release what was halted on earlier days; return how many are halted."""
    for ticker in telemetry.release_past_holds(tx, day, now=now):
        resolve_alert(tx, AlertKey("price_jump", EVERYTHING, ticker), now=now)
    for jump in jumped:
        if telemetry.hold(tx, jump, now=now):
            open_alert(tx, _price_jump(jump), now=now)
    return len(telemetry.halted_tickers(tx, day))


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
