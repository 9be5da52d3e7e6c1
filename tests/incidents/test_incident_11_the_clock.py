"""Incident 11: naive UTC, no holidays, half days or daylight saving.

The pipeline called Presidents' Day an outage and traded by weekday and a fixed UTC hour.
"""

from datetime import UTC, date, datetime, timedelta

import pytest

from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.stages import market_clock
from ops_pipeline.stages.request import ClockRequest
from tests.support.builders_trading import TradingBench
from tests.support.fakes import FixedClock

PRESIDENTS_DAY = date(2026, 2, 16)
DAY_AFTER_THANKSGIVING = date(2026, 11, 27)
THANKSGIVING_EVE = date(2026, 11, 25)


def utc(year: int, month: int, day: int, hour: int, minute: int) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def session_at(db: Database, tick: datetime) -> str:
    """What the market clock tells a state machine."""
    clock, request = FixedClock(tick), ClockRequest(tick=tick)
    return market_clock.run(request, db=db, calendar=NyseCalendar(), clock=clock).session


def desk_at(db: Database, day: date, hour: int, minute: int) -> TradingBench:
    """A bench on the exchange's own calendar, its VIX of the session before."""
    calendar = NyseCalendar()
    bench = TradingBench(db, at=new_york_time(day, hour, minute), calendar=calendar)
    bench.vix(18.0, calendar.previous_session(day).day)
    return bench


def test_presidents_day_is_no_session_though_it_is_a_monday(db: Database) -> None:
    assert PRESIDENTS_DAY.weekday() == 0
    ticks = [new_york_time(PRESIDENTS_DAY, 9, 25) + timedelta(minutes=n) for n in range(0, 405, 15)]
    assert {session_at(db, tick) for tick in ticks} == {"closed"}
    assert session_at(db, new_york_time(date(2026, 2, 13), 11)) == "open"
    assert session_at(db, new_york_time(date(2026, 2, 17), 11)) == "open"


def test_on_a_holiday_nothing_is_entered_even_if_somebody_asks(db: Database) -> None:
    bench = desk_at(db, PRESIDENTS_DAY, 11, 0)
    number = bench.recommend()
    bench.dispatch()
    assert bench.verdict(number, "trading_hours")["reason"] == "Market closed"
    assert not bench.broker.submitted


def test_after_a_holiday_the_reading_of_the_friday_is_one_session_old(db: Database) -> None:
    bench = desk_at(db, date(2026, 2, 17), 11, 0)
    bench.vix(18.0, date(2026, 2, 13))
    number = bench.recommend()
    bench.dispatch()
    assert bench.verdict(number, "vix_regime") == {
        "passed": True,
        "reason": "VIX 18.0 - normal",
        "observed": 18.0,
        "limit": 40.0,
    }


@pytest.mark.parametrize(
    ("tick", "expected"),
    [
        (utc(2026, 11, 27, 14, 29), "closed"),
        (utc(2026, 11, 27, 14, 30), "open"),
        (utc(2026, 11, 27, 17, 59), "open"),
        (utc(2026, 11, 27, 18, 0), "just_closed"),
        (utc(2026, 11, 27, 18, 2), "closed"),
        (utc(2026, 11, 27, 20, 0), "closed"),
        (utc(2026, 11, 25, 20, 59), "open"),
        (utc(2026, 11, 26, 16, 0), "closed"),
    ],
)
def test_a_half_day_closes_at_one_in_new_york(db: Database, tick: datetime, expected: str) -> None:
    assert session_at(db, tick) == expected


@pytest.mark.parametrize(
    ("day", "hour", "minute", "passed"),
    [
        (DAY_AFTER_THANKSGIVING, 11, 0, True),
        (DAY_AFTER_THANKSGIVING, 11, 1, False),
        (THANKSGIVING_EVE, 14, 0, True),
        (THANKSGIVING_EVE, 14, 1, False),
    ],
)
def test_the_last_entry_is_two_hours_before_the_sessions_own_close(
    db: Database, day: date, hour: int, minute: int, passed: bool
) -> None:
    bench = desk_at(db, day, hour, minute)
    number = bench.recommend()
    bench.dispatch()
    assert bench.verdict(number, "trading_hours")["passed"] is passed
    assert bool(bench.broker.submitted) is passed


@pytest.mark.parametrize(
    ("day", "last_minute_held"),
    [(DAY_AFTER_THANKSGIVING, (12, 44)), (THANKSGIVING_EVE, (15, 44))],
)
def test_a_day_trade_is_sold_fifteen_minutes_before_the_sessions_own_close(
    db: Database, day: date, last_minute_held: tuple[int, int]
) -> None:
    bench = desk_at(db, day, 10, 55)
    bench.buy()
    bench.run("UPDATE active_positions SET max_hold_minutes = NULL")
    bench.clock.at = new_york_time(day, *last_minute_held)
    bench.quote("AAA")
    bench.guard()
    assert not bench.orders("exit")

    bench.next_minute()
    bench.guard()
    assert bench.order("exit")["reason"] == "session_end"


@pytest.mark.parametrize(
    ("opens", "why"),
    [
        (utc(2026, 3, 6, 14, 30), "the Friday before the clocks go forward"),
        (utc(2026, 3, 9, 13, 30), "the Monday after"),
        (utc(2026, 10, 30, 13, 30), "the Friday before the clocks go back"),
        (utc(2026, 11, 2, 14, 30), "the Monday after"),
    ],
)
def test_the_session_follows_new_yorks_clock_over_the_change(
    db: Database, opens: datetime, why: str
) -> None:
    minute = timedelta(minutes=1)
    closes = opens + timedelta(hours=6.5)
    ticks = (opens - minute, opens, closes - minute, closes, closes + 2 * minute)
    assert [session_at(db, tick) for tick in ticks] == [
        "closed",
        "open",
        "open",
        "just_closed",
        "closed",
    ], why


def test_the_first_five_minutes_follow_the_change_too(db: Database) -> None:
    bench = desk_at(db, date(2026, 3, 9), 9, 34)
    early = bench.recommend()
    bench.dispatch()
    assert bench.clock.now() == utc(2026, 3, 9, 13, 34)
    assert bench.verdict(early, "trading_hours")["reason"] == "First 5 minutes"

    bench.next_minute()
    late = bench.recommend()
    bench.dispatch()
    assert bench.verdict(late, "trading_hours")["passed"] is True


def test_an_evening_in_new_york_belongs_to_that_day_though_utc_is_on_the_next(
    db: Database,
) -> None:
    """A kill switch of Wednesday still holds at 20:30 New York, which is Thursday in UTC."""
    bench = desk_at(db, date(2026, 2, 4), 20, 30)
    assert bench.clock.now().date() == date(2026, 2, 5)
    bench.set_account(kill_switch="Daily loss", kill_switch_day="2026-02-04")
    bench.dispatch()
    (account,) = bench.rows("SELECT kill_switch FROM accounts WHERE account_name = 'large'")
    assert account["kill_switch"] == "Daily loss"


def test_a_naive_time_is_refused_at_the_door() -> None:
    with pytest.raises(ValueError, match="timezone"):
        ClockRequest.model_validate({"tick": "2026-02-04T14:31:00"})
