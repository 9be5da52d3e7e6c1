"""Holds an account's cash against what moved it: fills, fees, dividends, deposits.

What they do not explain is told and halts nothing: money is compared, positions are kept.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ops_pipeline.db import cash
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.cash import CashReading, unexplained
from ops_pipeline.execution.sending import AccountContext

_KIND = "cash_differs"


@dataclass(frozen=True, slots=True)
class Span:
    """What was read before the other answers: the account, at which moment, how far back.

    Attributes:
        since: A reading older than this counts no more, so that what nobody ever
            explains is told for as long as that and then let go.
    """

    account: BrokerAccount
    asked_at: datetime
    since: datetime


def compare(ctx: AccountContext, span: Span) -> Counter[str]:
    """Compare one account; one whose money moved meanwhile is left to the next run.

    Raises:
        BrokerUnavailable: activities, fills or account could not be read.
    """
    if ctx.broker is None:
        raise ValueError(f"{ctx.name} has no broker to compare with")
    fills = ctx.broker.fills_since(span.since)
    activities = ctx.broker.cash_activities_since(span.since)
    if ctx.broker.account().cash != span.account.cash:
        return Counter(cash_moving=1)
    now = CashReading(span.asked_at, span.account.cash)
    with ctx.db.transaction() as tx:
        before = cash.oldest_reading(tx, account=ctx.name, since=span.since, before=now.at)
        left = None if before is None else unexplained(before, now.cash, fills, activities)
        cash.keep_reading(tx, account=ctx.name, reading=now, unexplained=left)
        if before is not None and left is not None:
            _tell(tx, ctx, before, now, left)
    return Counter(cash_compared=int(before is not None), cash_differs=int(bool(left)))


def _tell(
    tx: Transaction, ctx: AccountContext, before: CashReading, now: CashReading, left: Decimal
) -> None:
    """One alert as long as the same amount is unexplained; another amount is another matter."""
    matter = {"kind": _KIND, "scope": ctx.name, "subject": ctx.name}
    known = alerts.find_open(tx, **matter)
    if known is not None and known[1].get("unexplained") != str(left):
        alerts.resolve_alert(tx, **matter, now=ctx.clock.now())
    if left:
        alerts.open_alert(
            tx,
            **matter,
            severity="warning",
            message=f"Cash moved by ${left} that no fill, fee, dividend or deposit explains",
            details={"unexplained": left, "cash": now.cash, "was": before.cash, "at": before.at},
            now=ctx.clock.now(),
        )
