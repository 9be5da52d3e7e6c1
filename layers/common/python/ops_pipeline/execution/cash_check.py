"""Compares an account's cash with what moved it: fills, fees, dividends, deposits.

An amount that they do not explain opens an alert and halts nothing.
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
from ops_pipeline.domain.operations.alerts import Alert, cash_differs
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.ports import Broker


@dataclass(frozen=True, slots=True)
class Span:
    """What was read before the other answers: the account, when, and how far back to look.

    Attributes:
        since: A reading older than this no longer counts, so that an amount that is never
            explained alerts for as long as that and is then dropped.
    """

    account: BrokerAccount
    asked_at: datetime
    since: datetime


def compare(ctx: AccountContext, db: UnitsOfWork, broker: Broker, span: Span) -> Counter[str]:
    """Compare one account; one whose money moved meanwhile is left to the next run.

    Raises:
        BrokerUnavailable: activities, fills or account could not be read.
    """
    fills = broker.fills_since(span.since)
    activities = broker.cash_activities_since(span.since)
    if broker.account().cash != span.account.cash:
        return Counter(cash_moving=1)
    now = CashReading(span.asked_at, span.account.cash)
    with db.transaction() as tx:
        before = cash.oldest_reading(tx, account=ctx.name, since=span.since, before=now.at)
        left = None if before is None else unexplained(before, now.cash, fills, activities)
        cash.keep_reading(tx, account=ctx.name, reading=now, unexplained=left)
        if before is not None and left is not None:
            _update_alert(tx, cash_differs(ctx.name, before, now, left), left, ctx.now())
    return Counter(cash_compared=int(before is not None), cash_differs=int(bool(left)))


def _update_alert(tx: Transaction, alert: Alert, left: Decimal, now: datetime) -> None:
    """One alert as long as the same amount is unexplained; another amount is another matter."""
    known = alerts.find_open(tx, alert.key)
    if known is not None and known[1].get("unexplained") != str(left):
        alerts.resolve_alert(tx, alert.key, now=now)
    if left:
        alerts.open_alert(tx, alert, now=now)
