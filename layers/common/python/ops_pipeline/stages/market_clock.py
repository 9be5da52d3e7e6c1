"""Reports whether a session is open at the tick, and which accounts the tick serves."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ops_pipeline.db import accounts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.market import Session, new_york_day
from ops_pipeline.ports import Calendar
from ops_pipeline.stages.request import ClockRequest

_LAST_BARS = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a state machine branches on; account names are in byte order.

    `just_closed` lasts two minutes after the close: the session's last bars are fetched, and
    nothing is decided.
    """

    session: Literal["open", "just_closed", "closed"]
    accounts_entry: list[str]
    accounts_guard: list[str]


def run(request: ClockRequest, *, db: UnitsOfWork, calendar: Calendar) -> Outcome:
    """Ask the exchange's calendar about the tick, not about the present time."""
    session = calendar.session(new_york_day(request.tick))
    with db.transaction() as tx:
        return Outcome(
            session=_state(session, request.tick),
            accounts_entry=accounts.entry_accounts(tx),
            accounts_guard=accounts.guard_accounts(tx, request.tick),
        )


def _state(session: Session | None, tick: datetime) -> Literal["open", "just_closed", "closed"]:
    if session is None:
        return "closed"
    if session.is_open(tick):
        return "open"
    return "just_closed" if session.closes_at <= tick < session.closes_at + _LAST_BARS else "closed"
