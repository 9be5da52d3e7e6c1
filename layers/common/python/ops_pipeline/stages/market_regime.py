"""Stores the volatility index's closes for the regime gate, or a labelled substitute.

Each source is asked in turn until one has the session's close; a run that finds it stored asks
nobody, so that it can be repeated all morning.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import TypeVar

from ops_pipeline.db import regime as rows
from ops_pipeline.db.holdings import corporate_actions
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.corporate.actions import CorporateAction, price_factor
from ops_pipeline.domain.market import MINUTE, Session, new_york_day
from ops_pipeline.domain.regime import (
    INDEX_SOURCES,
    SESSIONS_LOOKED_AT,
    RegimeSource,
    realised_volatility,
    unbroken_run,
)
from ops_pipeline.errors import FeedUnavailable, SettingsInvalid
from ops_pipeline.execution.isolation import isolated, what_failed
from ops_pipeline.ports import Calendar, Clock, Journal, MarketData, VixReading, VolatilityIndex
from ops_pipeline.stages.request import TickRequest

T = TypeVar("T")

STAND_IN = "SPY"
# A year of sessions, enough to rank the current reading.
_KEPT_READINGS = 260
# The last trade of a quiet day's regular session is in its last minutes, even at one exchange.
_LAST_MINUTES = 30 * MINUTE
# Built when it is asked: one without keys must not keep the next from answering.
OpenSource = Callable[[], VolatilityIndex]
OpenMarket = Callable[[], MarketData]


@dataclass(frozen=True, slots=True)
class Outcome:
    """New or changed rows by source.

    Attributes:
        source: Where the last session's stored reading is from; None when there is none at all,
            so that the gate refuses.
        unknown: 1 when that would refuse entries today.
        feed_failed: 1 when the index was asked for and no source had it.
    """

    readings: int = 0
    stand_ins: int = 0
    feed_failed: int = 0
    unknown: int = 0
    source: str | None = None


@dataclass(frozen=True, slots=True)
class _IndexAnswer:
    """Readings by the source that gave them, and whether one of them is of the session."""

    readings: dict[RegimeSource, list[VixReading]]
    answered: bool


@dataclass(frozen=True, slots=True)
class _BarSource:
    """Whom to ask for bars, of which sessions, and where to say what was not had."""

    market: OpenMarket
    calendar: Calendar
    journal: Journal

    def missed(self, what: str, day: date, why: Exception | None) -> None:
        reason = "it is not published yet" if why is None else what_failed(why)
        self.journal.happened("volatility_missed", what=what, day=str(day), reason=reason)


def run(
    request: TickRequest,
    *,
    db: UnitsOfWork,
    sources: Sequence[OpenSource],
    market: OpenMarket,
    calendar: Calendar,
    clock: Clock,
    journal: Journal,
) -> Outcome:
    """Store readings if the last session that is over has none, and a substitute without any."""
    last = _last_closed(request.tick, calendar)
    with db.transaction() as tx:
        stored = rows.source_of(tx, last.day)
    if stored in INDEX_SOURCES:
        return Outcome(source=stored)
    vendor = _BarSource(market, calendar, journal)
    found = _asked(sources, last, request.tick, vendor)
    now = clock.now()
    with db.transaction() as tx:
        count = sum(
            rows.store_readings(tx, readings[-_KEPT_READINGS:], source=source, now=now)
            for source, readings in found.readings.items()
        )
        stored = rows.source_of(tx, last.day)
    outcome = Outcome(readings=count, feed_failed=int(not found.answered), source=stored)
    if stored is not None or last.day == new_york_day(request.tick):
        # Nobody decides by this evening's close before tomorrow morning.
        return outcome
    volatility = _stand_in(last, db, vendor)
    if volatility is None:
        return replace(outcome, unknown=1)
    with db.transaction() as tx:
        count = rows.store_readings(
            tx, [VixReading(last.day, volatility)], source=rows.STAND_IN_SOURCE, now=now
        )
    return replace(outcome, stand_ins=count, source=rows.STAND_IN_SOURCE)


def _last_closed(tick: datetime, calendar: Calendar) -> Session:
    today = calendar.session(new_york_day(tick))
    if today is not None and today.closes_at <= tick:
        return today
    return calendar.previous_session(new_york_day(tick))


def _asked(
    sources: Sequence[OpenSource], last: Session, tick: datetime, vendor: _BarSource
) -> _IndexAnswer:
    """Ask each source until one has the session's close; why others have not is logged."""
    readings: dict[RegimeSource, list[VixReading]] = {}
    for opened in sources:
        answer = isolated(partial(_read, opened, last))
        if isinstance(answer, Exception):
            vendor.missed("volatility index", last.day, answer)
            continue
        source, told = answer
        known = [it for it in told if _was_over(it.day, tick, vendor.calendar)]
        readings.setdefault(source, []).extend(known)
        if any(it.day == last.day for it in known):
            return _IndexAnswer(readings, answered=True)
        vendor.missed(source, last.day, None)
    return _IndexAnswer(readings, answered=False)


def _read(opened: OpenSource, last: Session) -> tuple[RegimeSource, list[VixReading]]:
    index = _opened(opened)
    return index.source, index.readings(last)


def _opened(build: Callable[[], T]) -> T:
    """Raises FeedUnavailable where it lacks keys or a setting, which stops nothing else."""
    try:
        return build()
    except SettingsInvalid as error:
        raise FeedUnavailable(str(error)) from error


def _was_over(day: date, tick: datetime, calendar: Calendar) -> bool:
    """Whether that day's close was known at the tick: a replay must not look ahead."""
    today = new_york_day(tick)
    if day != today:
        return day < today
    session = calendar.session(day)
    return session is not None and session.closes_at <= tick


def _stand_in(last: Session, db: UnitsOfWork, vendor: _BarSource) -> float | None:
    """The volatility of the stand-in up to that session; None where too little is known."""
    sessions = [last]
    while len(sessions) < SESSIONS_LOOKED_AT:
        sessions.append(vendor.calendar.previous_session(sessions[-1].day))
    with db.transaction() as tx:
        closes = rows.daily_closes(tx, STAND_IN, sessions)
        days = (sessions[-1].day, last.day)
        actions = corporate_actions.in_force(tx, [STAND_IN], first=days[0], last=days[1])
    if (volatility := _volatility(closes, actions, last.day)) is not None:
        return volatility
    # A new database has no bars of the days before it; its vendor has.
    return _volatility(_completed(closes, sessions, vendor), actions, last.day)


def _volatility(
    closes: Sequence[tuple[date, Decimal | None]],
    actions: Sequence[CorporateAction],
    last: date,
) -> float | None:
    """Of closes as they were paid, told in the shares of the last day."""
    restated = [
        (day, close and close * price_factor(actions, STAND_IN, since=day, until=last))
        for day, close in closes
    ]
    return realised_volatility(unbroken_run(restated))


def _completed(
    closes: Sequence[tuple[date, Decimal | None]], sessions: Sequence[Session], vendor: _BarSource
) -> list[tuple[date, Decimal | None]]:
    """With the vendor's closes where ours are missing: the newest first, until one is not had."""
    known = dict(closes)
    for session in sessions:
        if known[session.day] is None:
            close = isolated(partial(_vendor_close, vendor, session))
            if close is None or isinstance(close, Exception):
                vendor.missed(STAND_IN, session.day, close)
                break
            known[session.day] = close
    return sorted(known.items())


def _vendor_close(vendor: _BarSource, session: Session) -> Decimal | None:
    """The last bar's close in the last minutes of a session; None without a bar."""
    ends = session.closes_at
    bars = _opened(vendor.market).bars([STAND_IN], ends - _LAST_MINUTES, ends)
    return max(bars, key=lambda bar: bar.ts).close if bars else None
