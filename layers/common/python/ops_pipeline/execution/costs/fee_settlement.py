"""Settles fees: shares out what the broker charged for a day to the orders of that day.

What it charged is stored by its own id first, and the shares follow from all that is stored, so
that a run that was killed, or reads the same twice or late, ends at the same.
"""

from collections.abc import Sequence
from datetime import datetime

from ops_pipeline.db import facts
from ops_pipeline.db.costs import order_costs
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.broker import BrokerCashActivity
from ops_pipeline.domain.costs.settling import FeeDay, finding, settled
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.operations.alerts import AlertKey, fee_unexplained
from ops_pipeline.execution.context import AccountContext


def settle(
    tx: Transaction,
    ctx: AccountContext,
    activities: Sequence[BrokerCashActivity],
    *,
    since: datetime,
) -> list[FeeDay]:
    """Settle one account; returns its fees of the days since then.

    Args:
        since: The activities are those since then; fees may be charged for a day before.
    """
    fees = [it for it in activities if it.kind == "fee"]
    first = min([new_york_day(since), *(it.trade_day for it in fees)])
    facts.lock_account(tx, ctx.name)
    order_costs.keep_charged(tx, ctx.name, fees, now=ctx.now())
    days = order_costs.fee_days(tx, ctx.name, first)
    for day in days:
        order_costs.settle(tx, day, settled(day), now=ctx.now())
    _note_findings(tx, ctx, days)
    return days


def _note_findings(tx: Transaction, ctx: AccountContext, days: Sequence[FeeDay]) -> None:
    """Keep one alert for each fee and day that is not explained, and end the others.

    One that is never explained is dropped once the day is no longer looked at.
    """
    found = {day.subject: why for day in days if (why := finding(day)) is not None}
    for scope, subject in alerts.open_of_kind(tx, "fee_unexplained"):
        if scope == ctx.name and subject not in found:
            key = AlertKey("fee_unexplained", scope, subject)
            alerts.resolve_alert(tx, key, now=ctx.now())
    for day in days:
        if day.subject in found:
            alert = fee_unexplained(ctx.name, day, found[day.subject])
            alerts.open_alert(tx, alert, now=ctx.now())
