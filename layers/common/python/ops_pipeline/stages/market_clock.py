"""Reports whether a session is open at the tick, and which accounts the tick serves."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ops_pipeline.db import accounts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.bars import BAR_OFFSET_S, seconds_until_bars
from ops_pipeline.domain.market import Session, new_york_day
from ops_pipeline.ports import Calendar, Clock
from ops_pipeline.stages.request import ClockRequest

_LAST_BARS = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a state machine branches on; account names are in byte order.

    `just_closed` lasts two minutes after the close: the session's last bars are fetched, and
    nothing is decided.

    Attributes:
        wait_s: How long trading_cycle waits for the bars of the minute that has just ended.
        started_after_s: How long after the tick this was asked, whole seconds.
    """

    session: Literal["open", "just_closed", "closed"]
    accounts_entry: list[str]
    accounts_guard: list[str]
    wait_s: int
    started_after_s: int


def run(
    request: ClockRequest,
    *,
    db: UnitsOfWork,
    calendar: Calendar,
    clock: Clock,
    bar_offset_s: int = BAR_OFFSET_S,
) -> Outcome:
    """Ask the exchange's calendar about the tick, not about the present time."""
    session, now = calendar.session(new_york_day(request.tick)), clock.now()
    with db.transaction() as tx:
        return Outcome(
            session=_state(session, request.tick),
            accounts_entry=accounts.entry_accounts(tx),
            accounts_guard=accounts.guard_accounts(tx, request.tick),
            wait_s=seconds_until_bars(request.tick, now, bar_offset_s),
            started_after_s=max(0, int((now - request.tick).total_seconds())),
        )


def _state(session: Session | None, tick: datetime) -> Literal["open", "just_closed", "closed"]:
    if session is None:
        return "closed"
    if session.is_open(tick):
        return "open"
    return "just_closed" if session.closes_at <= tick < session.closes_at + _LAST_BARS else "closed"
