"""Gives orders that a person placed at the broker a row: shown, counted, never decided on."""

from collections.abc import Collection, Sequence
from functools import partial

from ops_pipeline.db import facts, orders, positions
from ops_pipeline.db.driver.connection import Transaction, log_message
from ops_pipeline.db.holdings import external
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain import reconciliation
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder
from ops_pipeline.domain.orders import Order, may_still_fill
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport, own_fills
from ops_pipeline.execution.isolation import isolated
from ops_pipeline.execution.order_gateway import STOPS_THE_RUN, OrderGateway


def store(
    tx: Transaction,
    gateway: OrderGateway,
    row: Order,
    found: BrokerOrder,
    fills: Sequence[BrokerFill],
    *,
    may_be_shown: bool = True,
) -> None:
    """Store a row for an order at the broker that had none, and book its fills.

    A fill that contradicts the order is not booked on it.

    Args:
        may_be_shown: Whether a position may show its fills already, being taken from the
            broker's list.
    """
    ctx = gateway.ctx
    orders.insert(tx, row)
    report = ExecutionReport(found=found, fills=own_fills(found, fills))
    gateway.settle_in(tx, row.client_order_id, report, may_be_shown=may_be_shown)
    ctx.journal.happened("order_adopted", account=ctx.name, order=row.client_order_id)


def adopt_resting(
    db: UnitsOfWork, gateway: OrderGateway, symbols: Collection[str] | None = None
) -> None:
    """Adopt what a person placed and may still fill, without waiting for the reconciler.

    An order under an id of ours is none: the ledger lost it, which is settled elsewhere.

    Args:
        symbols: In these; None means all.

    Raises:
        BrokerUnavailable: its lists could not be read.
    """
    broker, ctx = gateway.broker, gateway.ctx
    if broker is None:
        return
    resting = {
        order.client_order_id: order
        for order in broker.resting_orders()
        if (symbols is None or order.symbol in symbols) and _is_a_persons(ctx, order)
    }
    with db.transaction() as tx:
        unknown = orders.unstored(tx, ctx.name, list(resting)) if resting else []
    if not unknown:
        return
    fills = broker.fills_since(min(resting[name].submitted_at for name in unknown))
    for name in unknown:
        found = resting[name]
        its = [fill for fill in fills if fill.broker_order_id == found.broker_order_id]
        adopted = isolated(partial(_adopt, db, gateway, found, its), passing=STOPS_THE_RUN)
        if isinstance(adopted, Exception):
            ctx.journal.went_wrong("order_not_adopted", order=name, error=log_message(adopted))


def _is_a_persons(ctx: AccountContext, order: BrokerOrder) -> bool:
    """Whether it rests, and its id is none that we give."""
    return may_still_fill(order) and ctx.own_order(order.client_order_id) is None


def _adopt(
    db: UnitsOfWork, gateway: OrderGateway, found: BrokerOrder, fills: Sequence[BrokerFill]
) -> None:
    """Store it, unless it got a row meanwhile, another account's included, or can have none."""
    ctx = gateway.ctx
    with db.transaction() as tx:
        facts.lock_account(tx, ctx.name)
        if orders.find(tx, found.client_order_id) is not None:
            return
        before = external.find(tx, ctx.name, found.symbol)
        held = None
        if before is None or not before.quantity:
            # Else what a person sells there is what was there before.
            held = positions.find_open(tx, ctx.name, found.symbol)
        row = reconciliation.adopted_order(ctx.account, found, held)
        if row is not None:
            store(tx, gateway, row, found, fills)
