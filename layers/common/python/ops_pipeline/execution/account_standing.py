"""Whether an account takes orders at its broker: an alert says why not, and what to do."""

from datetime import datetime

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.operations.alerts import account_blocked


def notice(tx: Transaction, account: str, told: BrokerAccount, now: datetime) -> None:
    """Open the alert while it is blocked, resolve it once it is not."""
    alert = account_blocked(account, told)
    if told.trading_blocked:
        alerts.open_alert(tx, alert, now=now)
    else:
        alerts.resolve_alert(tx, alert.key, now=now)
