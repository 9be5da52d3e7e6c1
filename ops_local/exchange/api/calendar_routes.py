"""Alpaca's market clock and calendar of trading days."""

from datetime import date

from starlette.routing import Route

from ops_local.exchange.api.calls import ApiCall, endpoint
from ops_local.exchange.api.wire import new_york_timestamp
from ops_local.exchange.market.sessions import (
    coming_session,
    next_opening,
    sessions_between,
    settlement_day,
)
from ops_local.exchange.refusals import bad_query
from ops_pipeline.domain.market import NEW_YORK, Session, new_york_day

Answer = dict[str, object]

# A range in which the holidays are known and that is quick to list.
_FIRST_DAY = date(1970, 1, 1)
_LAST_DAY = date(2029, 12, 31)


def get_clock(call: ApiCall) -> Answer:
    session = coming_session(call.now)
    return {
        "timestamp": new_york_timestamp(call.now),
        "is_open": session.is_open(call.now),
        "next_open": new_york_timestamp(next_opening(call.now).opens_at),
        "next_close": new_york_timestamp(session.closes_at),
    }


def list_calendar(call: ApiCall) -> list[Answer]:
    first = _day(call, "start", _FIRST_DAY)
    last = _day(call, "end", _LAST_DAY)
    days = sessions_between(max(first, _FIRST_DAY), min(last, _LAST_DAY))
    return [_calendar_day(session) for session in days]


def _day(call: ApiCall, name: str, default: date) -> date:
    text = call.text(name, default.isoformat())
    if len(text) == len("2013-10-07"):
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise bad_query(f"invalid {name}: {text!r}") from error
    moment = call.timestamp(name)
    return default if moment is None else new_york_day(moment)


def _calendar_day(session: Session) -> Answer:
    return {
        "date": session.day.isoformat(),
        "open": f"{session.opens_at.astimezone(NEW_YORK):%H:%M}",
        "close": f"{session.closes_at.astimezone(NEW_YORK):%H:%M}",
        "session_open": "0400",
        "session_close": "2000" if session.closes_at.astimezone(NEW_YORK).hour == 16 else "1700",
        "settlement_date": settlement_day(session.day).isoformat(),
    }


ROUTES = [
    Route("/v2/clock", endpoint(get_clock), methods=["GET"]),
    Route("/v2/calendar", endpoint(list_calendar), methods=["GET"]),
]
