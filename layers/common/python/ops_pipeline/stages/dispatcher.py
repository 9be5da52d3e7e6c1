"""Claims one account's recommendations one by one and takes each to an order or a refusal.

The order of things is the protocol: recover, claim, assess under the account's lock,
commit the intent, send, settle. A kill between any two leaves a row that the next run
settles.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from pg8000.exceptions import DatabaseError

from ops_pipeline.db import dispatch, orders, positions
from ops_pipeline.db.dispatch import Recommendation
from ops_pipeline.db.driver.connection import Transaction, log_message
from ops_pipeline.domain import gates
from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.market import Quote
from ops_pipeline.domain.orders import Order, Status, may_still_fill
from ops_pipeline.domain.reconciliation import cost_of
from ops_pipeline.errors import (
    BrokerUnavailable,
    CapExceeded,
    MarketDataUnavailable,
    OpsError,
)
from ops_pipeline.execution import entry, kill_switch, sending
from ops_pipeline.execution import recovery as recoveries
from ops_pipeline.execution.entry_facts import BrokerSnapshot, MarketSnapshot
from ops_pipeline.execution.sending import AccountContext
from ops_pipeline.ports import Calendar, MarketData
from ops_pipeline.stages.request import AccountRequest

_CLAIM_LEASE = timedelta(seconds=60)
_MOST_PER_RUN = 200
# A weekend with a holiday: what somebody ordered before it may still be working.
_LOOK_BACK = timedelta(days=4)


@dataclass(frozen=True, slots=True)
class Outcome:
    pulled: int
    processed: int
    simulated: int
    skipped: int
    failed: int
    expired: int
    recovered: int
    blocked: bool


def run(
    request: AccountRequest,
    ctx: AccountContext,
    *,
    market_data: MarketData,
    calendar: Calendar,
) -> Outcome:
    """Serve one account for one tick.

    Raises:
        AccountMismatch, DatabaseUnavailable, CommitUnknown, LeaseLost: nothing more
            can be done in this run; what was committed stands.
    """
    kill_switch.release(ctx)
    recovery = recoveries.NOTHING
    if not request.dry_run:
        recovery = recoveries.recover(ctx, market_data=market_data, calendar=calendar)
    run_id, expired, tickers = _begin(ctx)
    counts: Counter[str] = Counter()
    summary: dict[str, object] = {"expired": expired, "recovered": recovery.settled}
    if tickers and not recovery.entries_blocked:
        broker_account = _broker_account(ctx)
        snapshot = entry.market_snapshot(
            ctx,
            calendar,
            tickers,
            broker_account=broker_account,
            broker_snapshot=_listed(ctx),
            deposits=_deposits(ctx, calendar),
            quotes=_quotes(ctx, market_data, tickers),
        )
        summary["equity"] = broker_account.equity if broker_account else None
        if request.dry_run:
            _rehearse(ctx, run_id, snapshot, counts)
        else:
            _dispatch_all(ctx, run_id, snapshot, counts, calendar)
    _end(ctx, run_id, counts, summary)
    return Outcome(
        pulled=counts["pulled"],
        processed=counts["processed"],
        simulated=counts["simulated"],
        skipped=counts["skipped"],
        failed=counts["failed"],
        expired=expired,
        recovered=recovery.settled,
        blocked=recovery.entries_blocked,
    )


def _begin(ctx: AccountContext) -> tuple[UUID, int, list[str]]:
    now = ctx.clock.now()
    run_id = stable_uuid("dispatcher_run", ctx.name, ctx.tick)
    oldest = now - timedelta(seconds=ctx.rules.gates.recommendation_age_s)
    with ctx.db.transaction() as tx:
        dispatch.start_run(tx, run_id=run_id, account=ctx.name, tick=ctx.tick, now=now)
        expired = dispatch.expire(tx, account=ctx.name, oldest=oldest, now=now)
        tickers = dispatch.pending_tickers(tx, account=ctx.name, now=now)
    return run_id, expired, tickers


def _end(
    ctx: AccountContext, run_id: UUID, counts: Counter[str], summary: dict[str, object]
) -> None:
    names = ("pulled", "processed", "simulated", "skipped", "failed")
    with ctx.db.transaction() as tx:
        kept = {name: counts[name] for name in names}
        dispatch.finish_run(tx, run_id, kept, summary, ctx.clock.now())


def _broker_account(ctx: AccountContext) -> BrokerAccount | None:
    """The account's books, or None: the gates that need them then refuse."""
    if ctx.broker is None:
        return None
    try:
        return ctx.broker.account()
    except BrokerUnavailable as error:
        ctx.journal.went_wrong("broker_account_unknown", account=ctx.name, error=str(error))
        return None


def _listed(ctx: AccountContext) -> BrokerSnapshot | None:
    """What the broker shows as held or being bought, or None: the gates that count it refuse."""
    if ctx.broker is None:
        return None
    at = ctx.clock.now()
    try:
        held = ctx.broker.positions()
        broker_snapshot = ctx.broker.orders_since(at - _LOOK_BACK)
    except BrokerUnavailable as error:
        ctx.journal.went_wrong("broker_lists_unknown", account=ctx.name, error=str(error))
        return None
    return BrokerSnapshot(
        at=at,
        positions={position.symbol: cost_of(position) for position in held},
        being_bought=frozenset(
            order.symbol
            for order in broker_snapshot
            if order.side == "buy" and may_still_fill(order)
        ),
        sold=frozenset(
            order.client_order_id
            for order in broker_snapshot
            if order.side == "sell" and order.filled_quantity > 0
        ),
    )


def _deposits(ctx: AccountContext, calendar: Calendar) -> Decimal | None:
    """What the day's loss is corrected by, or None: its gate then refuses."""
    if ctx.broker is None:
        return Decimal(0)
    try:
        return kill_switch.deposits_of_the_day(ctx.broker, calendar, ctx.clock.now())
    except BrokerUnavailable as error:
        ctx.journal.went_wrong("deposits_unknown", account=ctx.name, error=str(error))
        return None


def _quotes(ctx: AccountContext, market_data: MarketData, tickers: list[str]) -> dict[str, Quote]:
    try:
        return market_data.quotes(tickers)
    except MarketDataUnavailable as error:
        ctx.journal.went_wrong("quotes_unknown", account=ctx.name, error=str(error))
        return {}


def _dispatch_all(
    ctx: AccountContext,
    run_id: UUID,
    snapshot: MarketSnapshot,
    counts: Counter[str],
    calendar: Calendar,
) -> None:
    for _ in range(_MOST_PER_RUN):
        with ctx.db.transaction() as tx:
            # What came since has no quote in this run: the next one takes it.
            claimed = dispatch.claim(
                tx,
                account=ctx.name,
                tickers=snapshot.tickers,
                run_id=run_id,
                now=ctx.clock.now(),
                lease=_CLAIM_LEASE,
            )
        if claimed is None:
            return
        counts["pulled"] += 1
        order = _dispatch(ctx, claimed, snapshot, counts)
        if order is None:
            continue
        status = sending.send(ctx, order, snapshot.quotes.get(claimed.ticker))
        counts[_counted(ctx, status)] += 1
        if status == "unknown":
            # It may have been placed: until that is known, nothing more is entered.
            return
        snapshot = replace(snapshot, broker_account=_broker_account(ctx))
        snapshot = replace(snapshot, deposits=_deposits(ctx, calendar))


def _rehearse(
    ctx: AccountContext, run_id: UUID, snapshot: MarketSnapshot, counts: Counter[str]
) -> None:
    """Decide on everything in one unit of work, which a dry run rolls back; nothing is sent."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        dispatch.start_run(tx, run_id=run_id, account=ctx.name, tick=ctx.tick, now=now)
        while claimed := dispatch.claim(
            tx,
            account=ctx.name,
            tickers=snapshot.tickers,
            run_id=run_id,
            now=now,
            lease=_CLAIM_LEASE,
        ):
            counts["pulled"] += 1
            assessment = entry.assess(tx, ctx, claimed, snapshot)
            if assessment.order is not None:
                orders.insert(tx, assessment.order)
            else:
                dispatch.finish(tx, claimed.id, status="SKIPPED", reason="Rehearsed", now=now)
            counts["skipped" if gates.refused(assessment.verdicts) else "processed"] += 1


def _counted(ctx: AccountContext, status: Status) -> str:
    if status in ("rejected", "not_placed"):
        return "failed"
    return "simulated" if ctx.broker is None else "processed"


def _dispatch(
    ctx: AccountContext, claimed: Recommendation, snapshot: MarketSnapshot, counts: Counter[str]
) -> Order | None:
    """Take one recommendation to its end, or to a committed order, which is returned."""
    try:
        order, outcome = _decide(ctx, claimed, snapshot)
    except sending.STOPS_THE_RUN:
        raise
    except CapExceeded as error:
        order, outcome = None, _finish(ctx, claimed, "SKIPPED", str(error))
    except (OpsError, DatabaseError) as error:
        # The mark goes into a new unit of work; the first error is what is kept.
        ctx.journal.went_wrong(
            "processing_error",
            recommendation=claimed.id,
            error=type(error).__name__,
            message=log_message(error),
        )
        reason = f"{type(error).__name__}: {log_message(error)}"
        order, outcome = None, _finish(ctx, claimed, "FAILED", reason)
    if order is None:
        counts[outcome] += 1
    return order


def _decide(
    ctx: AccountContext, claimed: Recommendation, snapshot: MarketSnapshot
) -> tuple[Order | None, str]:
    """Assess, and commit the intent or the refusal; without an order, what to count it as."""
    with ctx.db.transaction() as tx:
        assessment = entry.assess(tx, ctx, claimed, snapshot)
        if assessment.overtaken:
            return None, "skipped"
        reasons = gates.refused(assessment.verdicts)
        if reasons:
            dispatch.finish(
                tx,
                claimed.id,
                status="SKIPPED",
                reason="; ".join(reasons),
                now=ctx.clock.now(),
            )
            return None, "skipped"
        if assessment.order is None:
            _hand_over(tx, ctx, claimed)
            return None, "processed"
        orders.insert(tx, assessment.order)
    return assessment.order, "processed"


def _hand_over(tx: Transaction, ctx: AccountContext, sell: Recommendation) -> None:
    """Ask the position manager, the only exit authority, to sell."""
    now = ctx.clock.now()
    asked = positions.request_exit(
        tx,
        account=ctx.name,
        ticker=sell.ticker,
        instrument_type=sell.instrument_type,
        rule="signal",
        now=now,
    )
    for position_id in asked:
        positions.add_event(
            tx,
            position_id=position_id,
            account=ctx.name,
            kind="exit_requested",
            details={"rule": "signal", "recommendation": sell.id},
            now=now,
        )
    dispatch.finish(tx, sell.id, status="EXECUTED", reason=None, now=now)


def _finish(ctx: AccountContext, claimed: Recommendation, status: str, reason: str) -> str:
    with ctx.db.transaction() as tx:
        dispatch.finish(tx, claimed.id, status=status, reason=reason, now=ctx.clock.now())
    return status.lower()
