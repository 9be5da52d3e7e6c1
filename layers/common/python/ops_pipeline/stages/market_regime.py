"""Stores the volatility index's closes for the regime gate, or a labelled substitute."""

from dataclasses import dataclass
from datetime import date, datetime

from ops_pipeline.db import regime as rows
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.market import Session, new_york_day
from ops_pipeline.domain.regime import SESSIONS_LOOKED_AT, realised_volatility, unbroken_run
from ops_pipeline.errors import FeedUnavailable
from ops_pipeline.ports import Calendar, Clock, VixReading, VolatilityIndex
from ops_pipeline.stages.request import TickRequest

STAND_IN = "SPY"
# A year of sessions, enough to rank the current reading.
_KEPT_READINGS = 260


@dataclass(frozen=True, slots=True)
class Outcome:
    """New or changed rows by source.

    `unknown` is 1 when the last session has no reading at all, so that the gate refuses;
    `feed_failed` is 1 when the index could not be read.
    """

    readings: int
    stand_ins: int
    feed_failed: int
    unknown: int


def run(
    request: TickRequest,
    *,
    db: UnitsOfWork,
    volatility_index: VolatilityIndex,
    calendar: Calendar,
    clock: Clock,
) -> Outcome:
    """Store readings, and a substitute if the last session before the tick's day has none."""
    readings, failed = _read(volatility_index)
    known = [each for each in readings if _was_over(each.day, request.tick, calendar)]
    last = calendar.previous_session(new_york_day(request.tick))
    now = clock.now()
    with db.transaction() as tx:
        stored = rows.store_readings(tx, known[-_KEPT_READINGS:], source="vix", now=now)
        stand_ins = 0
        if rows.source_of(tx, last.day) != "vix":
            stand_ins = _stand_in(tx, last, calendar, now)
        unknown = rows.source_of(tx, last.day) is None
    return Outcome(
        readings=stored, stand_ins=stand_ins, feed_failed=int(failed), unknown=int(unknown)
    )


def _read(volatility_index: VolatilityIndex) -> tuple[list[VixReading], bool]:
    try:
        return volatility_index.readings(), False
    except FeedUnavailable:
        # Not fatal: the substitute takes its place, or the gate refuses.
        return [], True


def _was_over(day: date, tick: datetime, calendar: Calendar) -> bool:
    """Whether that day's close was known at the tick: a replay must not look ahead."""
    today = new_york_day(tick)
    if day != today:
        return day < today
    session = calendar.session(day)
    return session is not None and session.closes_at <= tick


def _stand_in(tx: Transaction, last: Session, calendar: Calendar, now: datetime) -> int:
    sessions = [last]
    while len(sessions) < SESSIONS_LOOKED_AT:
        sessions.append(calendar.previous_session(sessions[-1].day))
    closes = unbroken_run(rows.daily_closes(tx, STAND_IN, sessions))
    volatility = realised_volatility(closes)
    if volatility is None:
        return 0
    reading = VixReading(last.day, volatility)
    return rows.store_readings(tx, [reading], source="realised_volatility_spy", now=now)
