"""Evaluates every ticker on the watchlist and recommends signals to each account."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from ops_pipeline.db import recommendations as rows
from ops_pipeline.db import watchlist
from ops_pipeline.db.accounts import entry_accounts
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.market_data import asked_bars
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.db.recommendations import Decided, SignalInputs
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.domain.signals import Circumstances, Evaluation, evaluate, unevaluated
from ops_pipeline.execution.isolation import isolated, require_json, what_failed
from ops_pipeline.ports import Clock
from ops_pipeline.stages import signal_inputs
from ops_pipeline.stages.request import TickRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """Tickers evaluated, how many gave a signal, and new recommendation rows.

    `not_evaluated` are among them: they failed, hold, and their rows say why.
    """

    evaluated: int
    signals: int
    recommendations: int
    not_evaluated: int = 0


def run(request: TickRequest, *, db: UnitsOfWork, clock: Clock, parameters: Versioned) -> Outcome:
    """Store an evaluation per ticker, and for each signal a recommendation per account.

    A tick that was evaluated before is not evaluated again.
    """
    now = clock.now()
    with db.transaction() as tx:
        decided = _decide(tx, parameters.rules, tick=request.tick, now=now)
        recommendations = rows.save(
            tx, decided, tick=request.tick, parameter_version=parameters.version, now=now
        )
    signals = sum(1 for each in decided if each.evaluation.outcome == "SIGNAL")
    failed = sum(1 for each in decided if not each.evaluation.arithmetic)
    return Outcome(len(decided), signals, recommendations, not_evaluated=failed)


def _decide(tx: Transaction, rules: Parameters, *, tick: datetime, now: datetime) -> list[Decided]:
    known = signal_inputs.gather(tx, watchlist.members(tx), rules, tick=tick, now=now)
    since = tick - timedelta(minutes=rules.signals.rest_minutes)
    signalled = rows.last_signals(tx, list(known), since=since, tick=tick)
    holders = rows.stock_holders(tx, list(known))
    buyers = entry_accounts(tx)
    covered = asked_bars.coverage(tx, list(known), day_start=new_york_time(new_york_day(tick), 0))
    decided = []
    for ticker, each in known.items():
        circumstances = Circumstances(
            tick=tick,
            last_signal_at=signalled.get(ticker),
            buyers=buyers,
            holders=holders.get(ticker, ()),
            bar_coverage=covered[ticker],
        )
        decided.append(Decided(_evaluated(each, rules, circumstances), each))
    return decided


def _evaluated(inputs: SignalInputs, rules: Parameters, circumstances: Circumstances) -> Evaluation:
    def work() -> Evaluation:
        found = evaluate(inputs.stored.features, inputs.news, rules, circumstances)
        require_json(found.confidence, found.arithmetic, asdict(inputs.stored.features))
        return found

    evaluation = isolated(work)
    if isinstance(evaluation, Exception):
        return unevaluated(inputs.stored.features, what_failed(evaluation))
    return evaluation
