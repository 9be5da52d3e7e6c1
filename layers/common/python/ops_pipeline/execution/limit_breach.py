"""Opens an alert when actual holdings exceed an account's limits; facts are never refused."""

from datetime import datetime

from ops_pipeline.db import facts
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.ledger import Holdings
from ops_pipeline.domain.operations.alerts import disagreement
from ops_pipeline.domain.reconciliation import Break


def check(tx: Transaction, account: Account, now: datetime) -> Break | None:
    """Open the alert while an account holds more than it may, else close it."""
    found = breach(facts.holdings(tx, account.account_name), account)
    if found is None:
        alerts.resolve_kinds(tx, kinds=("over_cap",), scope=account.account_name, now=now)
    else:
        alerts.open_alert(tx, disagreement(account.account_name, found), now=now)
    return found


def breach(held: Holdings, account: Account) -> Break | None:
    """How far the holdings exceed the account's limits; None when they do not."""
    if len(held.symbols) <= account.max_positions and held.exposure <= account.max_exposure:
        return None
    holds = f"{len(held.symbols)} symbols, ${held.exposure:.2f}"
    allowed = f"{account.max_positions} symbols, ${account.max_exposure:.2f}"
    message = f"Over the caps: {holds}; allowed are {allowed}"
    return Break("over_cap", account.account_name, message, holds, allowed)
