"""Facts are never refused; where they are over an account's caps, a person is told."""

from datetime import datetime

from ops_pipeline.db import facts
from ops_pipeline.db.accounts import Account
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.reconciliation import Break


def check(tx: Transaction, account: Account, now: datetime) -> Break | None:
    """Open the alert while an account holds more than it may, else close it."""
    held, name = facts.holdings(tx, account.account_name), account.account_name
    if len(held.symbols) <= account.max_positions and held.exposure <= account.max_exposure:
        alerts.resolve_kinds(tx, kinds=("over_cap",), scope=name, now=now)
        return None
    holds = f"{len(held.symbols)} symbols, ${held.exposure:.2f}"
    allowed = f"{account.max_positions} symbols, ${account.max_exposure:.2f}"
    message = f"Over the caps: {holds}; allowed are {allowed}"
    alerts.open_alert(
        tx,
        kind="over_cap",
        scope=name,
        subject=name,
        severity="critical",
        message=message,
        details={"ours": holds, "broker": allowed},
        now=now,
    )
    return Break("over_cap", name, message, holds, allowed)
