"""Whether a session is open at the tick, and which accounts this tick has to serve."""

from dataclasses import dataclass
from typing import Literal

from ops_pipeline.db import accounts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.ports import Calendar
from ops_pipeline.stages.request import ClockRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a machine goes on with; account names in byte order."""

    session: Literal["open", "closed"]
    accounts_entry: list[str]
    accounts_guard: list[str]


def run(request: ClockRequest, *, db: UnitsOfWork, calendar: Calendar) -> Outcome:
    """Ask the exchange's calendar about the tick, whatever the time is by now."""
    session = calendar.session(new_york_day(request.tick))
    is_open = session is not None and session.is_open(request.tick)
    with db.transaction() as tx:
        return Outcome(
            session="open" if is_open else "closed",
            accounts_entry=accounts.entry_accounts(tx),
            accounts_guard=accounts.guard_accounts(tx),
        )
