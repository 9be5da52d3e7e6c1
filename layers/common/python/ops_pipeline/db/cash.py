"""Cash readings of each comparison."""

from datetime import datetime
from decimal import Decimal

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.cash import CashReading

_OLDEST = """
SELECT at, cash FROM cash_readings
WHERE account_name = :account AND at >= :since AND at < :before
ORDER BY at LIMIT 1
"""
_KEEP = """
INSERT INTO cash_readings (account_name, at, cash, unexplained)
VALUES (:account, :at, :cash, CAST(:unexplained AS numeric))
ON CONFLICT (account_name, at) DO UPDATE SET
    cash = excluded.cash, unexplained = excluded.unexplained
"""


def oldest_reading(
    tx: Transaction, *, account: str, since: datetime, before: datetime
) -> CashReading | None:
    """The oldest reading in that period; None without one."""
    row = tx.one(_OLDEST, account=account, since=since, before=before)
    return None if row is None else CashReading(row["at"], Decimal(row["cash"]))


def keep_reading(
    tx: Transaction, *, account: str, reading: CashReading, unexplained: Decimal | None
) -> None:
    tx.enqueue(_KEEP, account=account, at=reading.at, cash=reading.cash, unexplained=unexplained)
