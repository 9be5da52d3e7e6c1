"""Computes the features of every ticker whose newest bar has none yet."""

from dataclasses import dataclass

from ops_pipeline.db import features as rows
from ops_pipeline.db import telemetry
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain import features
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.ports import Calendar, Clock
from ops_pipeline.stages.request import TickRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """`tickers` counts watched ones that are not halted, `held` halted ones; the rest is new."""

    tickers: int
    held: int
    rows: int
    surges: int


def run(
    request: TickRequest,
    *,
    db: UnitsOfWork,
    calendar: Calendar,
    clock: Clock,
    parameters: Versioned,
) -> Outcome:
    """Store a row for each ticker with enough bars in the tick's session.

    A late bar does not change features that are stored already: they show what was known
    at their minute.
    """
    day = new_york_day(request.tick)
    session = calendar.session(day)
    if session is None:
        return Outcome(tickers=0, held=0, rows=0, surges=0)
    rules = parameters.rules.features
    with db.transaction() as tx:
        held = telemetry.halted_tickers(tx, day)
        tickers = [ticker for ticker in telemetry.watched_tickers(tx) if ticker not in held]
        windows = rows.windows_due(
            tx, tickers, session, tick=request.tick, most_bars=rules.window_bars
        )
        computed = [row for some in windows for row in features.compute(some, rules)]
        stored = rows.insert(tx, computed, parameter_version=parameters.version, now=clock.now())
    surges = sum(1 for row in computed if row.volume_surge)
    return Outcome(tickers=len(tickers), held=len(held), rows=stored, surges=surges)
