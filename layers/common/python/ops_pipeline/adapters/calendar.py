"""The sessions of the New York Stock Exchange, from the `holidays` package."""

from datetime import date, timedelta

import holidays

from ops_pipeline.domain.market import Session, new_york_time
from ops_pipeline.errors import StaleData

# Before 1995 some short days closed at other hours than 13:00; holidays after the last year
# have not been decided yet.
FIRST_YEAR, LAST_YEAR = 1995, 2040
_SATURDAY = 5


class NyseCalendar:
    """Regular sessions, 09:30 to 16:00 New York, on half days to 13:00.

    An unscheduled closure (a storm, a day of mourning) is known only once the package
    includes it.
    """

    def __init__(self) -> None:
        self._closed = holidays.financial_holidays("NYSE", categories=("public",))
        self._half_days = holidays.financial_holidays("NYSE", categories=("half_day",))

    def session(self, day: date) -> Session | None:
        """The regular session of that New York day, or None when the exchange is closed.

        Raises:
            StaleData: the day is in a year that this calendar does not cover.
        """
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise StaleData(
                f"the exchange calendar knows {FIRST_YEAR} to {LAST_YEAR}, not {day.year}"
            )
        if day.weekday() >= _SATURDAY or day in self._closed:
            return None
        closes_at_hour = 13 if day in self._half_days else 16
        return Session(day, new_york_time(day, 9, 30), new_york_time(day, closes_at_hour))

    def previous_session(self, day: date) -> Session:
        """The last session before that day.

        Raises:
            StaleData: it is in a year that this calendar does not cover.
        """
        earlier = day - timedelta(days=1)
        while (found := self.session(earlier)) is None:
            earlier -= timedelta(days=1)
        return found
