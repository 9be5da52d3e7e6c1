"""What halts an account's entries: operator, kill switch, order limits, a break, a lost ledger."""

from datetime import date, datetime

from ops_pipeline.db.driver.connection import Transaction

# The reason that halts entries on the New York day `:today`, or NULL; Account.halts in SQL. A
# kill switch of an earlier session halts nothing any more.
HALTED = """coalesce(operator_halt, books_halt, order_limit_halt, ledger_halt,
    CASE WHEN kill_switch_day >= CAST(:today AS date) THEN kill_switch END)"""

_LATCH = """
UPDATE accounts SET kill_switch = :reason, kill_switch_day = :day
WHERE account_name = :account AND (kill_switch IS NULL OR kill_switch_day < :day)
"""
_RELEASE = """
UPDATE accounts SET kill_switch = NULL, kill_switch_day = NULL
WHERE account_name = :account AND kill_switch_day < :day
"""
_ORDER_LIMIT = """
UPDATE accounts SET order_limit_halt = :reason
WHERE account_name = :account AND order_limit_halt IS NULL
"""
_BOOKS = """
UPDATE accounts SET books_halt = CAST(:reason AS text)
WHERE account_name = :account AND books_halt IS DISTINCT FROM CAST(:reason AS text)
"""
_LEDGER = """
UPDATE accounts SET ledger_halt = :reason, ledger_compare_from = :since, ledger_agreed_at = NULL
WHERE account_name = :account AND (ledger_halt IS NULL OR ledger_agreed_at IS NOT NULL)
"""
_COMPARED = """
UPDATE accounts SET ledger_agreed_at = CAST(:agreed_at AS timestamptz)
WHERE account_name = :account AND ledger_halt IS NOT NULL
  AND ledger_agreed_at IS DISTINCT FROM CAST(:agreed_at AS timestamptz)
"""


def latch_kill_switch(tx: Transaction, *, account: str, reason: str, day: date) -> bool:
    """Halt entries for the rest of that session; False: that session's latch stands already."""
    return bool(tx.execute(_LATCH, account=account, reason=reason, day=day))


def release_kill_switch(tx: Transaction, *, account: str, day: date) -> bool:
    """Release a latch of an earlier session; False when there is none."""
    return bool(tx.execute(_RELEASE, account=account, day=day))


def latch_order_limit(tx: Transaction, *, account: str, reason: str) -> bool:
    """Halt entries until somebody resumes; False when that latch stands already."""
    return bool(tx.execute(_ORDER_LIMIT, account=account, reason=reason))


def set_books_halt(tx: Transaction, *, account: str, reason: str | None) -> None:
    """Halt entries while the ledger and the broker differ; None when they agree."""
    tx.enqueue(_BOOKS, account=account, reason=reason)


def latch_ledger(tx: Transaction, *, account: str, reason: str, since: datetime) -> bool:
    """Halt entries until the ledger was compared with the broker's and somebody resumes.

    False when that latch stands already and nothing was compared since.

    Args:
        since: From when on the broker may have orders and fills that the database lost.
    """
    return bool(tx.execute(_LEDGER, account=account, reason=reason, since=since))


def set_ledger_agreed(tx: Transaction, *, account: str, agreed_at: datetime | None) -> None:
    """When the halted ledger agreed with the broker; None: it does not."""
    tx.enqueue(_COMPARED, account=account, agreed_at=agreed_at)
