"""Takes one claimed recommendation to an order, a refusal or a request to sell.

One unit of work under the account's row lock: read the ledger, assess, save.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from ops_pipeline.db import accounts, dispatch, ledger, orders
from ops_pipeline.db.close_requests import CloseRequest
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.ledger import LedgerQuery
from ops_pipeline.domain import gates
from ops_pipeline.domain.ledger import LedgerView
from ops_pipeline.domain.market_state.event_dates import looked_at
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.recommendations import Recommendation
from ops_pipeline.domain.snapshots import MarketSnapshot
from ops_pipeline.execution import closing, kill_switch
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.decisions.entry import Assessment, assess, reassess


@dataclass(frozen=True, slots=True)
class Taken:
    """The result for one recommendation; an order is to be sent once it is committed."""

    order: Order | None
    outcome: Literal["processed", "skipped"]


_SKIPPED = Taken(None, "skipped")


def take(
    tx: Transaction,
    ctx: AccountContext,
    recommendation: Recommendation,
    snapshot: MarketSnapshot,
) -> Taken:
    """Evaluate every gate on fresh facts and save what follows.

    Limits and halts are read again: the operator may have halted during the run. A daily
    loss over the limit latches the kill switch in the same transaction.
    """
    assessment = assess(
        recommendation,
        _ledger(tx, ctx, recommendation, snapshot),
        snapshot,
        rules=ctx.rules,
        intents=ctx.intents(),
    )
    if assessment.unlisted:
        symbols = sorted(assessment.unlisted)
        ctx.journal.went_wrong("positions_not_listed", account=ctx.name, symbols=symbols)
    return _save(tx, ctx, recommendation, assessment)


def refusals_of_resend(
    tx: Transaction,
    ctx: AccountContext,
    order: Order,
    recommendation: Recommendation,
    snapshot: MarketSnapshot,
) -> list[str]:
    """Why gates refuse that a committed entry is sent at this moment; empty if none does."""
    facts = _ledger(tx, ctx, recommendation, snapshot)
    verdicts = reassess(order, recommendation, facts, snapshot, rules=ctx.rules, now=ctx.now())
    return gates.refused(verdicts)


def _ledger(
    tx: Transaction,
    ctx: AccountContext,
    recommendation: Recommendation,
    snapshot: MarketSnapshot,
) -> LedgerView:
    now, lists = ctx.now(), snapshot.broker.lists
    query = LedgerQuery(
        account=accounts.load_locked(tx, ctx.name),
        ticker=recommendation.ticker,
        recommendation_id=recommendation.id,
        now=now,
        listed_at=lists.at if lists else now,
        sold=lists.sold if lists else frozenset(),
        halts_since=now - timedelta(minutes=ctx.rules.gates.halt_cooling_minutes),
        events=looked_at(ctx.rules.gates, now),
        results=ctx.rules.sizing.kelly_window_trades,
    )
    return ledger.read(tx, query)


def _save(
    tx: Transaction,
    ctx: AccountContext,
    recommendation: Recommendation,
    assessment: Assessment,
) -> Taken:
    kept = dispatch.keep_verdicts(tx, recommendation.id, assessment.verdicts, assessment.sizing)
    if assessment.kill_switch is not None:
        kill_switch.latch_when_sure(
            tx,
            ctx.name,
            assessment.kill_switch,
            at_broker=assessment.loss_at_broker,
            tick=ctx.tick,
            now=ctx.now(),
        )
    if not kept:
        # Ended since it was claimed, by the operator or by its time-out.
        return _SKIPPED
    refusals = assessment.refusals
    if refusals:
        reason = "; ".join(refusals)
        dispatch.finish(tx, recommendation.id, status="SKIPPED", reason=reason, now=ctx.now())
        return _SKIPPED
    if assessment.order is None:
        _request_exit(tx, ctx, recommendation)
        return Taken(None, "processed")
    orders.insert(tx, assessment.order)
    return Taken(assessment.order, "processed")


def _request_exit(tx: Transaction, ctx: AccountContext, sell: Recommendation) -> None:
    """Ask the position manager, the only exit authority, to sell, also what fills later."""
    now = ctx.now()
    request = CloseRequest(
        account=ctx.name,
        ticker=sell.ticker,
        rule="signal",
        asked_by=f"recommendation {sell.id}",
        reason="SELL",
        asked_at=now,
    )
    closing.ask(tx, request, instrument=sell.instrument_type)
    dispatch.finish(tx, sell.id, status="EXECUTED", reason=None, now=now)
