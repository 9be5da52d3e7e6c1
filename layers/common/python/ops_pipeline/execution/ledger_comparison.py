"""Compares a ledger in doubt with its broker: after a rebuild, a restore, or lost orders.

The guard repeats it each tick until both agree, so that whatever the broker holds is guarded
at once. Entries stay halted until an operator resumes.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime

from ops_pipeline.db import accounts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.orders import may_still_fill
from ops_pipeline.errors import BrokerUnavailable, StageFailed
from ops_pipeline.execution import adoption
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.holdings import first_look
from ops_pipeline.execution.holdings.statement import (
    BrokerStatement,
    LedgerSymbols,
    ledger_symbols,
)
from ops_pipeline.execution.lost_orders import OLDEST_RESTING
from ops_pipeline.execution.order_gateway import OrderGateway
from ops_pipeline.ports import Broker


def compare_if_in_doubt(ctx: AccountContext, db: UnitsOfWork, gateway: OrderGateway) -> list[str]:
    """Compare an account whose ledger is in doubt; returns the failure, if it could not be."""
    with db.transaction() as tx:
        account = accounts.load(tx, ctx.name)
    if gateway.broker is None or not account.ledger_in_doubt:
        return []
    try:
        compare(ctx, db, gateway)
    except (BrokerUnavailable, StageFailed) as error:
        ctx.journal.went_wrong("ledger_not_compared", account=ctx.name, error=str(error))
        return [f"ledger not compared: {error}"]
    return []


def compare(ctx: AccountContext, db: UnitsOfWork, gateway: OrderGateway) -> Counter[str]:
    """Adopt what the broker has and the database lost, in one transaction.

    Raises BrokerUnavailable when a list could not be read: then nothing was changed; and
    StageFailed when a break could not be settled, and the others were.
    """
    if gateway.broker is None:
        raise ValueError(f"{ctx.name} has no broker to compare with")
    asked_at = ctx.now()
    with db.transaction() as tx:
        account = accounts.load(tx, ctx.name)
        before = ledger_symbols(tx, ctx.name)
    look = first_look.read(ctx, db, gateway.broker)
    statement = replace(_read(gateway.broker, account, asked_at, before), look=look)
    with db.transaction() as tx:
        counts, failures = adoption.reconcile(tx, ctx, gateway, statement)
    ctx.journal.happened("ledger_compared", account=ctx.name, **counts)
    if failures:
        raise StageFailed("; ".join(failures))
    return counts


def _read(
    broker: Broker, account: Account, asked_at: datetime, before: LedgerSymbols
) -> BrokerStatement:
    """The broker's word, with orders of any age that still rest."""
    since = account.ledger_compare_from or asked_at
    positions = broker.positions()
    orders = _relevant(broker.orders_since(min(since, asked_at - OLDEST_RESTING)), since)
    partly = [order.submitted_at for order in orders if order.filled_quantity > 0]
    return BrokerStatement(
        asked_at=asked_at,
        since=since,
        before=before,
        positions=positions,
        orders=orders,
        fills=broker.fills_since(min([since, *partly])),
        positions_again=broker.positions(),
    )


def _relevant(orders: Listing[BrokerOrder], since: datetime) -> Listing[BrokerOrder]:
    found = (it for it in orders if it.submitted_at >= since or may_still_fill(it))
    return Listing(found, orders.illegible)
