"""The exchange's sessions: holidays, half days, daylight saving."""

from datetime import UTC, date, datetime, timedelta

import holidays
import pytest

from ops_pipeline.adapters.calendar import FIRST_YEAR, LAST_YEAR, NyseCalendar
from ops_pipeline.errors import StaleData

CALENDAR = NyseCalendar()


def test_a_regular_session_lasts_from_half_past_nine_to_four_in_new_york() -> None:
    session = CALENDAR.session(date(2026, 2, 4))
    assert session is not None
    assert session.opens_at == datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
    assert session.closes_at == datetime(2026, 2, 4, 21, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 2, 16),  # Presidents' Day
        date(2026, 4, 3),  # Good Friday
        date(2026, 6, 19),
        date(2026, 7, 3),  # the fourth is a Saturday
        date(2026, 2, 7),
        date(2026, 2, 8),
        date(2012, 10, 29),  # a hurricane
    ],
)
def test_the_exchange_is_shut_on_holidays_and_weekends(day: date) -> None:
    assert CALENDAR.session(day) is None


@pytest.mark.parametrize("day", [date(2026, 11, 27), date(2026, 12, 24), date(2013, 7, 3)])
def test_a_half_day_closes_at_one(day: date) -> None:
    session = CALENDAR.session(day)
    assert session is not None
    assert session.closes_at - session.opens_at == timedelta(hours=3.5)


@pytest.mark.parametrize(
    ("friday", "monday"),
    [(date(2026, 3, 6), date(2026, 3, 9)), (date(2026, 10, 30), date(2026, 11, 2))],
)
def test_the_opening_moves_an_hour_in_utc_when_the_clocks_change(
    friday: date, monday: date
) -> None:
    before, after = CALENDAR.session(friday), CALENDAR.session(monday)
    assert before is not None
    assert after is not None
    spring = monday.month == 3
    assert before.opens_at.hour - after.opens_at.hour == (1 if spring else -1)


def test_the_session_before_a_long_weekend_is_the_friday() -> None:
    assert CALENDAR.previous_session(date(2026, 2, 17)).day == date(2026, 2, 13)


def test_every_session_of_the_recordings_is_known() -> None:
    days = [date(2013, 10, day) for day in range(7, 12)] + [
        date(2014, 6, 5),
        date(2014, 6, 6),
        date(2014, 6, 9),
    ]
    assert all(CALENDAR.session(day) for day in days)


@pytest.mark.parametrize("year", [FIRST_YEAR - 1, LAST_YEAR + 1])
def test_a_year_outside_the_calendar_is_refused_rather_than_guessed(year: int) -> None:
    with pytest.raises(StaleData, match=str(year)):
        CALENDAR.session(date(year, 3, 3))


def test_every_short_day_of_the_known_years_ended_at_one() -> None:
    known = holidays.financial_holidays(
        "NYSE", categories=("half_day",), years=range(FIRST_YEAR, LAST_YEAR + 1)
    )
    assert known
    assert [name for name in known.values() if "1:00pm" not in name] == []
