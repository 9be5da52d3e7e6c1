"""Runs that are overdue by the schedules of the manifest, judged outside the process that runs.

A killed `ops up` takes its healthcheck with it, and leaves everything as it was a moment before:
what it says of itself is good for ever. So `ops status` and `ops doctor` compare each stage's
newest run with the clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.definitions import load_schedules
from infra.schedule import Schedule
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db import accounts
from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.db.operations import overview
from ops_pipeline.domain.market import MINUTE, NEW_YORK, minute_of, new_york_day
from ops_pipeline.domain.operations.manifest import MACHINES, STAGES
from ops_pipeline.domain.operations.stage import AccountScope, Machine, Stage
from ops_pipeline.ports import Calendar

EVERYTHING = "*"
# Of a machine that works in sessions alone: it begins with the exchange's clock.
_CLOCK = "market_clock"
# From the due minute to the start, beside what the machine or function may take itself.
_STARTS_WITHIN = timedelta(minutes=1)
# Longer than any weekend with holidays at both ends.
_LOOK_BACK = timedelta(days=6)

Newest = Mapping[tuple[str, str], datetime]
Served = Mapping[AccountScope, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Duty:
    """A stage that must have run for this scope when its schedule started it.

    Attributes:
        scope: As in pipeline_runs: an account, a machine, or everything.
        in_session: Whether only the minutes of a session count.
        grace: How long after its start the run may still be under way.
    """

    stage: str
    scope: str
    schedule: Schedule
    in_session: bool
    grace: timedelta

    def last_due(self, now: datetime, calendar: Calendar) -> datetime | None:
        """The newest start whose run must have ended by now; None if there was none for days."""
        moment = minute_of(now - self.grace)
        oldest = moment - _LOOK_BACK
        while moment > oldest:
            if self.schedule.fires_at(moment) and self._counts(moment, calendar):
                return moment
            moment -= MINUTE
        return None

    def _counts(self, moment: datetime, calendar: Calendar) -> bool:
        if not self.in_session:
            return True
        session = calendar.session(new_york_day(moment))
        return session is not None and session.is_open(moment)


def duties(served: Served) -> Iterator[Duty]:
    """What the manifest schedules.

    Args:
        served: The accounts that may enter ("entry") and that are guarded ("guard").
    """
    schedules = {schedule.target: schedule for schedule in load_schedules()}
    for stage in STAGES:
        for machine in MACHINES:
            if stage.name in machine.steps:
                grace = timedelta(seconds=machine.timeout_s) + _STARTS_WITHIN
                in_session = _CLOCK in machine.steps
                for scope in _scopes(stage, machine, served):
                    yield Duty(stage.name, scope, schedules[machine.name], in_session, grace)
        if stage.starts is not None:
            grace = timedelta(seconds=stage.timeout_s) + _STARTS_WITHIN
            yield Duty(stage.name, EVERYTHING, schedules[stage.name], False, grace)


def _scopes(stage: Stage, machine: Machine, served: Served) -> Sequence[str]:
    if stage.name == _CLOCK:
        return (machine.name,)
    if stage.serves is None or _CLOCK not in machine.steps:
        return (EVERYTHING,)
    return served[stage.serves]


def late(
    now: datetime, began: datetime, newest: Newest, owed: Sequence[Duty], calendar: Calendar
) -> list[Row]:
    """The duties whose newest run is older than their last due start.

    Args:
        began: The first run of all: nothing was due before.
        newest: The tick of the newest run that ended, by stage and scope.
    """
    # Looked for once for all that a schedule starts: a weekend is days of minutes.
    started = {duty.schedule.target: duty for duty in owed}
    due = {target: duty.last_due(now, calendar) for target, duty in started.items()}
    return [
        {
            "stage": duty.stage,
            "scope": duty.scope,
            "last_run": _shown(newest.get((duty.stage, duty.scope))),
            "due": _shown(moment),
        }
        for duty in owed
        if (moment := due[duty.schedule.target]) is not None
        and moment > began
        and newest.get((duty.stage, duty.scope), began - MINUTE) < moment
    ]


def find(tx: Transaction, now: datetime, *, is_up: bool = True) -> list[Row]:
    """What is late in this database; nothing before its first run, and nothing of a replay's.

    Args:
        is_up: False where an `ops up` would be seen and none is: then all of it is late at once.
    """
    began = overview.first_tick(tx)
    if began is None or overview.is_replayed(tx):
        return []
    if not is_up:
        last = _shown(overview.last_run_at(tx))
        gone = {"stage": "ops up", "scope": EVERYTHING, "last_run": last, "due": "it does not run"}
        return [gone, *find(tx, now)]
    served: Served = {
        "entry": accounts.entry_accounts(tx),
        "guard": accounts.guard_accounts(tx, now),
    }
    return late(now, began, overview.newest_ticks(tx), list(duties(served)), NyseCalendar())


def _shown(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment.astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York"
