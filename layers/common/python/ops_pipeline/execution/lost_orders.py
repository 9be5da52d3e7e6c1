"""Notices orders of ours at the broker that the database has no row for.

Every row is committed before its order is sent, so such an order proves that the database lost
it: it was rebuilt, or restored from a backup. Entries then halt until both were compared.

The lists that runs read anyway reach back for days. Where the ledger's newest order is older, or
it has none, the broker may have more from before: it is asked for that too, until one is known.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from ops_pipeline.db import accounts, halts, orders
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.operations.alerts import ledger_in_doubt
from ops_pipeline.domain.orders import WATCHED_FOR
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.ports import Broker

# An order that rests good till cancelled ends after 90 days at Alpaca.
OLDEST_RESTING = timedelta(days=91)
# Our clock and the broker's may differ.
_EARLIER = timedelta(minutes=10)


def look_back(
    ctx: AccountContext, db: UnitsOfWork, broker: Broker | None, *, again: bool = False
) -> list[BrokerOrder]:
    """Orders of ours from since the ledger's newest one, where that was days ago; halts over them.

    Args:
        again: Also while the ledger is in doubt already.

    Raises:
        BrokerUnavailable: the list could not be read: what was lost is not known.
    """
    if broker is None:
        return []
    now = ctx.now()
    with db.transaction() as tx:
        newest = orders.newest_at(tx, ctx.name, own=True)
        known = accounts.load(tx, ctx.name).ledger_in_doubt and not again
    if known or (newest is not None and newest > now - WATCHED_FOR):
        return []
    since = now - OLDEST_RESTING if newest is None else newest - _EARLIER
    listed = {order.client_order_id: order for order in broker.orders_since(since)}
    with db.transaction() as tx:
        lost = orders.unstored(tx, ctx.name, _own(ctx, listed))
        oldest = min((listed[name].submitted_at for name in lost), default=now)
        notice(tx, ctx, lost, since=oldest)
    return [listed[name] for name in lost]


def notice(tx: Transaction, ctx: AccountContext, listed: Iterable[str], *, since: datetime) -> bool:
    """Halt entries if the broker's list has an order of ours without a row; True if it has.

    Ask after the list was read: what was sent meanwhile has its row by then.

    Args:
        listed: client_order_ids of the broker's list.
        since: From when on it was read.
    """
    own = _own(ctx, listed)
    lost = orders.unstored(tx, ctx.name, own) if own else []
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        reason = f"The broker has {lost[0]}{more} of ours, the database does not"
        halt(tx, ctx.name, reason, since=since, now=ctx.now())
        ctx.journal.went_wrong("orders_lost", account=ctx.name, orders=lost[:20])
    return bool(lost)


def _own(ctx: AccountContext, listed: Iterable[str]) -> list[str]:
    return [name for name in listed if ctx.own_order(name) is not None]


def halt(tx: Transaction, account: str, reason: str, *, since: datetime, now: datetime) -> bool:
    """Halt the account's entries and alert; False where they were halted for it already."""
    halted = halts.latch_ledger(tx, account=account, reason=reason, since=since)
    alerts.open_alert(tx, ledger_in_doubt(account, reason), now=now)
    return halted
