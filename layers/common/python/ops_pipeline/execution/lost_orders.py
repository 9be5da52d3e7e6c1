"""Notices orders of ours at the broker that the database has no row for.

Every row is committed before its order is sent, so such an order proves that the database lost
it: it was rebuilt, or restored from a backup. Entries then halt until both were compared.
"""

from collections.abc import Iterable
from datetime import datetime

from ops_pipeline.db import halts, orders
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.operations.alerts import ledger_in_doubt
from ops_pipeline.execution.context import AccountContext


def notice(tx: Transaction, ctx: AccountContext, listed: Iterable[str], *, since: datetime) -> bool:
    """Halt entries if the broker's list has an order of ours without a row; True if it has.

    Ask after the list was read: what was sent meanwhile has its row by then.

    Args:
        listed: client_order_ids of the broker's list.
        since: From when on it was read.
    """
    own = [name for name in listed if ctx.own_order(name) is not None]
    lost = orders.unstored(tx, ctx.name, own) if own else []
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        reason = f"The broker has {lost[0]}{more} of ours, the database does not"
        halt(tx, ctx.name, reason, since=since, now=ctx.now())
        ctx.journal.went_wrong("orders_lost", account=ctx.name, orders=lost[:20])
    return bool(lost)


def halt(tx: Transaction, account: str, reason: str, *, since: datetime, now: datetime) -> bool:
    """Halt the account's entries and alert; False where they were halted for it already."""
    halted = halts.latch_ledger(tx, account=account, reason=reason, since=since)
    alerts.open_alert(tx, ledger_in_doubt(account, reason), now=now)
    return halted
