"""Computes the features of every ticker whose newest bar has none yet."""

from collections.abc import Sequence
from dataclasses import dataclass

from ops_pipeline.db import features as rows
from ops_pipeline.db import telemetry
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain import features
from ops_pipeline.domain.features import BarWindows, Features
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.parameters import FeatureRules
from ops_pipeline.execution.isolation import isolated
from ops_pipeline.ports import Calendar, Clock
from ops_pipeline.stages.request import TickRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """`tickers` counts watched ones that are not halted, `held` halted ones; the rest is new.

    `failed` are tickers whose features could not be computed: the watchlist has no score for
    them, and the others go on.
    """

    tickers: int
    held: int
    rows: int
    surges: int
    failed: int = 0


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
        found = [one for some in windows for one in _computed(some, rules)]
        computed = [row for row in found if isinstance(row, Features)]
        stored = rows.insert(tx, computed, parameter_version=parameters.version, now=clock.now())
    surges = sum(1 for row in computed if row.volume_surge)
    failed = len(found) - len(computed)
    return Outcome(tickers=len(tickers), held=len(held), rows=stored, surges=surges, failed=failed)


def _computed(windows: BarWindows, rules: FeatureRules) -> Sequence[Features | Exception]:
    """The features of tickers side by side; where that fails, of each by itself."""

    found = isolated(lambda: features.compute(windows, rules))
    if not isinstance(found, Exception):
        return found
    if len(windows.tickers) == 1:
        return [found]
    return [
        one
        for at in range(len(windows.tickers))
        for one in _computed(
            BarWindows(
                windows.tickers[at : at + 1],
                windows.starts_s[at : at + 1],
                windows.closes[at : at + 1],
                windows.volumes[at : at + 1],
            ),
            rules,
        )
    ]
