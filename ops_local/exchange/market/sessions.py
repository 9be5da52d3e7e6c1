"""Trading calendar: the regular sessions of the NYSE, half days included."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache

import holidays

from ops_pipeline.domain.market import Session, new_york_day, new_york_time

_DAY = timedelta(days=1)
_SATURDAY = 5


@cache
def _closed_days(year: int) -> frozenset[date]:
    return frozenset(holidays.financial_holidays("NYSE", years=year))


@cache
def _half_days(year: int) -> frozenset[date]:
    return frozenset(holidays.financial_holidays("NYSE", years=year, categories=("half_day",)))


@cache
def session_of(day: date) -> Session | None:
    """The regular session of that New York day, or None when the market is closed all day."""
    if day.weekday() >= _SATURDAY or day in _closed_days(day.year):
        return None
    closes_hour = 13 if day in _half_days(day.year) else 16
    return Session(day, new_york_time(day, 9, 30), new_york_time(day, closes_hour))


def sessions_between(first: date, last: date) -> Iterator[Session]:
    """The sessions from first to last day, both included."""
    day = first
    while day <= last:
        session = session_of(day)
        if session is not None:
            yield session
        day += _DAY


def session_on_or_after(day: date) -> Session:
    """The session of that day, or the next one."""
    session = session_of(day)
    while session is None:
        day += _DAY
        session = session_of(day)
    return session


def session_on_or_before(day: date) -> Session:
    """The session of that day, or the last one before."""
    session = session_of(day)
    while session is None:
        day -= _DAY
        session = session_of(day)
    return session


def coming_session(now: datetime) -> Session:
    """The current session, or the next one: the first whose close is in the future."""
    session = session_on_or_after(new_york_day(now))
    return session if now < session.closes_at else session_on_or_after(session.day + _DAY)


def next_opening(now: datetime) -> Session:
    """The next session that has not opened yet."""
    session = coming_session(now)
    return session_on_or_after(session.day + _DAY) if session.opens_at <= now else session


def settlement_day(traded: date) -> date:
    """When a trade settles: T+3 before September 2017, T+2 before May 2024, T+1 since."""
    lag = 3 if traded < date(2017, 9, 5) else 2 if traded < date(2024, 5, 28) else 1
    day = traded
    for _ in range(lag):
        day = session_on_or_after(day + _DAY).day
    return day
