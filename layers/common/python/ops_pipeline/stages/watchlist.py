"""Scores every watched ticker and keeps the list of those to be evaluated."""

from dataclasses import dataclass, replace

from ops_pipeline.db import telemetry
from ops_pipeline.db import watchlist as rows
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.db.recommendations import SignalInputs
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.domain.watchlist import WatchEntry, WatchScore, score, select
from ops_pipeline.execution.isolation import isolated, require_json, what_failed
from ops_pipeline.ports import Clock
from ops_pipeline.stages import signal_inputs
from ops_pipeline.stages.request import TickRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """Tickers in all, with fresh features, on the list now, new on it, and gone from it.

    `failed` could not be scored: their rows say why.
    """

    tickers: int
    scored: int
    listed: int
    entered: int
    left: int
    failed: int = 0


def run(request: TickRequest, *, db: UnitsOfWork, clock: Clock, parameters: Versioned) -> Outcome:
    """Replace every watched ticker's row in watchlist_state."""
    now, rules = clock.now(), parameters.rules
    with db.transaction() as tx:
        tickers = telemetry.watched_tickers(tx)
        known = signal_inputs.gather(tx, tickers, rules, tick=request.tick, now=now)
        found = {ticker: _scored(each, rules) for ticker, each in known.items()}
        scores = {name: one for name, one in found.items() if isinstance(one, WatchScore)}
        failed = {name: one for name, one in found.items() if isinstance(one, str)}
        before = rows.members(tx)
        entries = [
            replace(entry, unscored=failed.get(entry.ticker, entry.unscored))
            for entry in select(tickers, scores, before, request.tick, rules.watchlist)
        ]
        rows.save(tx, entries, parameter_version=parameters.version, now=now)
    return replace(_outcome(entries, frozenset(before)), failed=len(failed))


def _scored(inputs: SignalInputs, rules: Parameters) -> WatchScore | str:
    """The score of one ticker, or why it has none."""

    def work() -> WatchScore:
        found = score(inputs.stored.features, inputs.news, rules.watchlist, rules.news)
        require_json(found.score, found.arithmetic)
        return found

    scored = isolated(work)
    return what_failed(scored) if isinstance(scored, Exception) else scored


def _outcome(entries: list[WatchEntry], before: frozenset[str]) -> Outcome:
    listed = {entry.ticker for entry in entries if entry.in_watchlist}
    return Outcome(
        tickers=len(entries),
        scored=sum(1 for entry in entries if entry.scored),
        listed=len(listed),
        entered=len(listed - before),
        left=len(before - listed),
    )
