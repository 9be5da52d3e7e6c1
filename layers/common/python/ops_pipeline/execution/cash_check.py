"""Compares an account's cash with what moved it: fills, fees, dividends, deposits.

An amount that they do not explain opens an alert and halts nothing. Fees that the broker has
charged are settled with what they are explained by: the orders of their day.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ops_pipeline.db import cash
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.cash import CashReading, unexplained
from ops_pipeline.domain.costs.settling import pending
from ops_pipeline.domain.operations.alerts import Alert, cash_differs
from ops_pipeline.domain.operations.unbooked import FactKind
from ops_pipeline.execution import unbooked_facts
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.costs import fee_settlement
from ops_pipeline.ports import Broker

_KINDS: tuple[FactKind, ...] = ("cash_activity",)


@dataclass(frozen=True, slots=True)
class CashBaseline:
    """The account as read before fills and activities, and how far back to compare.

    Attributes:
        since: A reading older than this no longer counts, so that an amount that is never
            explained alerts for as long as that and is then dropped.
    """

    account: BrokerAccount
    asked_at: datetime
    since: datetime


def compare(
    ctx: AccountContext, db: UnitsOfWork, broker: Broker, baseline: CashBaseline
) -> Counter[str]:
    """Settle its fees, and compare its cash; if that moved meanwhile, leave it to the next run.

    What explains the cash must be legible, every item of it.

    Raises:
        BrokerUnavailable: activities, fills or account could not be read.
    """
    fills = broker.fills_since(baseline.since)
    activities = broker.cash_activities_since(baseline.since)
    with db.transaction() as tx:
        fees = fee_settlement.settle(tx, ctx, activities, since=baseline.since)
        unbooked_facts.note_illegible(tx, ctx.name, activities.illegible, ctx.now())
        unbooked_facts.resolve(
            tx,
            ctx.name,
            _KINDS,
            told=[f"cash_activity {it.activity_id}" for it in activities],
            still=[it.subject for it in activities.illegible],
            asked_at=baseline.asked_at,
            now=ctx.now(),
        )
    if fills.illegible or activities.illegible:
        return Counter(cash_illegible=1)
    if broker.account().cash != baseline.account.cash:
        return Counter(cash_moving=1)
    now = CashReading(baseline.asked_at, baseline.account.cash)
    with db.transaction() as tx:
        before = cash.oldest_reading(tx, account=ctx.name, since=baseline.since, before=now.at)
        left = None
        if before is not None:
            left = unexplained(before, now.cash, fills, activities, pending(fees))
        cash.keep_reading(tx, account=ctx.name, reading=now, unexplained=left)
        if before is not None and left is not None:
            _update_alert(tx, cash_differs(ctx.name, before, now, left), left, ctx.now())
    return Counter(cash_compared=int(before is not None), cash_differs=int(bool(left)))


def _update_alert(tx: Transaction, alert: Alert, left: Decimal, now: datetime) -> None:
    """Keep one alert while the same amount is unexplained; another amount opens a new one."""
    known = alerts.find_open(tx, alert.key)
    if known is not None and known[1].get("unexplained") != str(left):
        alerts.resolve_alert(tx, alert.key, now=now)
    if left:
        alerts.open_alert(tx, alert, now=now)
