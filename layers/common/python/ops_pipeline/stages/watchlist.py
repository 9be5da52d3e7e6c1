"""Scores every watched ticker and keeps the list of those to be evaluated."""

from dataclasses import dataclass

from ops_pipeline.db import telemetry
from ops_pipeline.db import watchlist as rows
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.watchlist import WatchEntry, score, select
from ops_pipeline.ports import Clock
from ops_pipeline.stages import signal_inputs
from ops_pipeline.stages.request import TickRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """Tickers in all, with fresh features, on the list now, new on it, and gone from it."""

    tickers: int
    scored: int
    listed: int
    entered: int
    left: int


def run(request: TickRequest, *, db: UnitsOfWork, clock: Clock, parameters: Versioned) -> Outcome:
    """Replace every watched ticker's row in watchlist_state."""
    now, rules = clock.now(), parameters.rules
    with db.transaction() as tx:
        tickers = telemetry.watched_tickers(tx)
        known = signal_inputs.gather(tx, tickers, rules, tick=request.tick, now=now)
        scores = {
            ticker: score(each.stored.features, each.news, rules.watchlist, rules.news)
            for ticker, each in known.items()
        }
        before = rows.members(tx)
        entries = select(tickers, scores, before, request.tick, rules.watchlist)
        rows.save(tx, entries, parameter_version=parameters.version, now=now)
    return _outcome(entries, frozenset(before))


def _outcome(entries: list[WatchEntry], before: frozenset[str]) -> Outcome:
    listed = {entry.ticker for entry in entries if entry.in_watchlist}
    return Outcome(
        tickers=len(entries),
        scored=sum(1 for entry in entries if entry.scored),
        listed=len(listed),
        entered=len(listed - before),
        left=len(before - listed),
    )
