"""Fetches the newest bars, quarantines implausible ones and halts tickers whose price jumped."""

from dataclasses import dataclass
from datetime import date, datetime

from ops_pipeline.db import telemetry
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations.alerts import open_alert, resolve_alert
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.db.runs import EVERYTHING, UnitsOfWork
from ops_pipeline.domain import bars
from ops_pipeline.domain.bars import Jump
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import Bar, new_york_day
from ops_pipeline.domain.operations.alerts import Alert, AlertKey
from ops_pipeline.domain.parameters import TelemetryRules
from ops_pipeline.execution import illegible_items
from ops_pipeline.ports import Calendar, Clock, MarketData
from ops_pipeline.stages.request import TickRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """`stored` counts new or changed bars, `held` the tickers halted for this day.

    `illegible` items of the vendor's lists are no bars at all; `rejected` are implausible ones.
    """

    tickers: int
    fetched: int
    stored: int
    rejected: int
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
    now = clock.now()
    with db.transaction() as tx:
        telemetry.stage(tx, validated.sound)
        jumped = bars.jumps(validated.sound, telemetry.last_closes(tx), rules)
        stored = telemetry.merge(tx, data_feed=data_feed, now=now)
        rejected = telemetry.quarantine(tx, validated.rejected, data_feed=data_feed, now=now)
        held = _hold_back(tx, jumped, new_york_day(upto), now)
        illegible_items.update_market(tx, "bar", tickers, odd, now)
    return Outcome(
        tickers=len(tickers),
        fetched=len(fetched),
        stored=stored,
        rejected=rejected,
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
