"""Claims one account's recommendations one by one and takes each to an order or a refusal.

The order of steps is the protocol: recover, claim, assess under the account's lock,
commit the intent, send, settle. A kill between any two leaves a row that the next run
settles.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal
from uuid import UUID

from ops_pipeline.db import dispatch, halts, orders
from ops_pipeline.db.driver.connection import Transaction, log_message
from ops_pipeline.db.holdings import external
from ops_pipeline.db.holdings.external import HeldBefore
from ops_pipeline.db.operations import alerts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.operations.alerts import order_limit
from ops_pipeline.domain.orders import Order, Status
from ops_pipeline.domain.recommendations import Recommendation
from ops_pipeline.domain.snapshots import MarketSnapshot
from ops_pipeline.errors import BrokerUnavailable, CapExceeded
from ops_pipeline.execution import (
    account_standing,
    entry,
    illegible_items,
    kill_switch,
    lost_orders,
    snapshots,
    unbooked_facts,
)
from ops_pipeline.execution import recovery as recoveries
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.holdings import first_look
from ops_pipeline.execution.isolation import isolated
from ops_pipeline.execution.market_reader import MarketReader
from ops_pipeline.execution.order_gateway import STOPS_THE_RUN, OrderGateway
from ops_pipeline.stages.request import AccountRequest

_CLAIM_LEASE = timedelta(seconds=60)
_MOST_PER_RUN = 200
_COUNTED = ("pulled", "processed", "simulated", "skipped", "failed")


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
    db: UnitsOfWork,
    gateway: OrderGateway,
    market: MarketReader,
) -> Outcome:
    """Serve one account for one tick.

    Raises:
        AccountMismatch, DatabaseUnavailable, CommitUnknown, LeaseLost: nothing more
            can be done in this run; what was committed stands.
    """
    with db.transaction() as tx:
        kill_switch.release(tx, ctx.name, ctx.now())
    recovery = recoveries.NOTHING
    if not request.dry_run:
        recovery = recoveries.recover(ctx, db, gateway, market)
    with db.transaction() as tx:
        run_id, expired, tickers = _begin(tx, ctx)
    counts: Counter[str] = Counter()
    summary: dict[str, object] = {"expired": expired, "recovered": recovery.settled}
    if tickers and not recovery.entries_blocked:
        before = _held_before(ctx, db, gateway, dry_run=request.dry_run)
        snapshot = snapshots.market_snapshot(market, gateway.broker, tickers, before)
        _note_illegible(db, ctx, snapshot)
        account = snapshot.broker.account
        summary["equity"] = account.equity if account else None
        if account is not None and account.trading_blocked:
            with db.transaction() as tx:
                account_standing.notice(tx, ctx.name, account, ctx.now())
        dispatch_run = _Run(ctx, db, run_id, counts, before)
        if request.dry_run:
            dispatch_run.rehearse(snapshot)
        elif _lost_orders_are_known(ctx, db, gateway, snapshot):
            dispatch_run.dispatch(snapshot, gateway, market)
    with db.transaction() as tx:
        dispatch.finish_run(tx, run_id, {it: counts[it] for it in _COUNTED}, summary, ctx.now())
    return Outcome(
        **{name: counts[name] for name in _COUNTED},
        expired=expired,
        recovered=recovery.settled,
        blocked=recovery.entries_blocked,
    )


def _held_before(
    ctx: AccountContext, db: UnitsOfWork, gateway: OrderGateway, *, dry_run: bool
) -> HeldBefore:
    """What was there before, found out now if it is not known; a gate refuses where it is not."""
    with db.transaction() as tx:
        before = external.read(tx, ctx.name, day_start=ctx.day_start())
    if dry_run or before.looked_at is not None:
        return before
    first_look.take(ctx, db, gateway.broker)
    with db.transaction() as tx:
        return external.read(tx, ctx.name, day_start=ctx.day_start())


def _lost_orders_are_known(
    ctx: AccountContext, db: UnitsOfWork, gateway: OrderGateway, snapshot: MarketSnapshot
) -> bool:
    """Halt entries where the broker has orders of ours that the database lost.

    False where the broker does not say: no idea is taken up in this run.
    """
    lists = snapshot.broker.lists
    if lists is not None:
        with db.transaction() as tx:
            lost_orders.notice(tx, ctx, lists.listed, since=lists.since)
    try:
        lost_orders.look_back(ctx, db, gateway.broker)
    except BrokerUnavailable as error:
        ctx.journal.went_wrong("lost_orders_unknown", account=ctx.name, error=str(error))
        return False
    return True


def _note_illegible(db: UnitsOfWork, ctx: AccountContext, snapshot: MarketSnapshot) -> None:
    """Alert on what could not be read; the gates refuse over it with their reasons."""
    lists, quotes, now = snapshot.broker.lists, snapshot.quotes, ctx.now()
    odd = () if lists is None else lists.illegible
    if odd or quotes.illegible:
        with db.transaction() as tx:
            unbooked_facts.note_illegible(tx, ctx.name, odd, now)
            illegible_items.update_market(tx, "quote", quotes, quotes.illegible, now)


def _begin(tx: Transaction, ctx: AccountContext) -> tuple[UUID, int, list[str]]:
    now = ctx.now()
    run_id = stable_uuid("dispatcher_run", ctx.name, ctx.tick)
    oldest = now - timedelta(seconds=ctx.rules.gates.recommendation_age_s)
    dispatch.start_run(tx, run_id=run_id, account=ctx.name, tick=ctx.tick, now=now)
    expired = dispatch.expire(tx, account=ctx.name, oldest=oldest, now=now)
    return run_id, expired, dispatch.pending_tickers(tx, account=ctx.name, now=now)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run: claims recommendations and counts their results.

    Attributes:
        before: What the account held before its first run.
    """

    ctx: AccountContext
    db: UnitsOfWork
    run_id: UUID
    counts: Counter[str]
    before: HeldBefore

    def dispatch(
        self, snapshot: MarketSnapshot, gateway: OrderGateway, market: MarketReader
    ) -> None:
        """Process one recommendation after the other; each order is sent before the next claim."""
        for _ in range(_MOST_PER_RUN):
            with self.db.transaction() as tx:
                claimed = self._claim(tx, snapshot)
            if claimed is None:
                return
            self.counts["pulled"] += 1
            order = self._take(claimed, snapshot)
            if order is None:
                continue
            status = gateway.send(order, snapshot.quotes.get(claimed.ticker))
            self.counts[_counted(status, simulated=self.ctx.account.simulated)] += 1
            if status == "unknown":
                # It may have been placed: no further entry until that is known.
                return
            broker = snapshots.money_anew(market, gateway.broker, snapshot.broker, self.before)
            snapshot = replace(snapshot, broker=broker)

    def rehearse(self, snapshot: MarketSnapshot) -> None:
        """Decide on everything in one unit of work, which a dry run rolls back; nothing is sent."""
        ctx = self.ctx
        with self.db.transaction() as tx:
            dispatch.start_run(
                tx, run_id=self.run_id, account=ctx.name, tick=ctx.tick, now=ctx.now()
            )
            while claimed := self._claim(tx, snapshot):
                self.counts["pulled"] += 1
                self.counts[entry.take(tx, self.ctx, claimed, snapshot).outcome] += 1

    def _claim(self, tx: Transaction, snapshot: MarketSnapshot) -> Recommendation | None:
        # A ticker that came later has no quote in this run: left to the next one.
        return dispatch.claim(
            tx,
            account=self.ctx.name,
            tickers=snapshot.tickers,
            run_id=self.run_id,
            now=self.ctx.now(),
            lease=_CLAIM_LEASE,
        )

    def _take(self, claimed: Recommendation, snapshot: MarketSnapshot) -> Order | None:
        """Process one recommendation; returns the committed order, None if it has ended."""

        def take() -> entry.Taken:
            with self.db.transaction() as tx:
                return entry.take(tx, self.ctx, claimed, snapshot)

        taken = isolated(take, passing=STOPS_THE_RUN)
        if isinstance(taken, CapExceeded):
            self._refuse(claimed, taken)
            return None
        if isinstance(taken, Exception):
            # Marked in a new transaction, since that one is aborted; the first error is stored.
            name, message = type(taken).__name__, log_message(taken)
            self.ctx.journal.went_wrong(
                "processing_error", recommendation=claimed.id, error=name, message=message
            )
            self._finish(claimed, "FAILED", f"{name}: {message}")
            return None
        if taken.order is None:
            self.counts[taken.outcome] += 1
        return taken.order

    def _refuse(self, claimed: Recommendation, error: CapExceeded) -> None:
        """Finish what the database refused; a limit against runaway orders halts the entries."""
        if error.constraint in orders.RUNAWAY_LIMITS:
            account, reason, now = self.ctx.name, str(error), self.ctx.now()
            with self.db.transaction() as tx:
                halts.latch_order_limit(tx, account=account, reason=reason)
                alerts.open_alert(tx, order_limit(account, reason), now=now)
        self._finish(claimed, "SKIPPED", str(error))

    def _finish(
        self, claimed: Recommendation, status: Literal["SKIPPED", "FAILED"], reason: str
    ) -> None:
        with self.db.transaction() as tx:
            dispatch.finish(tx, claimed.id, status=status, reason=reason, now=self.ctx.now())
        self.counts[status.lower()] += 1


def _counted(status: Status, *, simulated: bool) -> str:
    if status in ("rejected", "not_placed"):
        return "failed"
    return "simulated" if simulated else "processed"
