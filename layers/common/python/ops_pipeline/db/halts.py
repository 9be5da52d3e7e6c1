"""What halts an account's entries: operator, kill switch, order limits, a break, a lost ledger."""

from datetime import date, datetime

from ops_pipeline.db.driver.connection import Transaction

# The reason that halts entries on the New York day `:today`, or NULL; Account.halts in SQL. A
# kill switch of an earlier session halts nothing any more.
HALTED = """coalesce(operator_halt, books_halt, order_limit_halt, ledger_halt,
    CASE WHEN kill_switch_day >= CAST(:today AS date) THEN kill_switch END)"""

# Functions of the owner's: the trading login sets these halts and lifts none.
_LATCH = "SELECT latch_kill_switch(:account, :reason, :day) AS done"
_LAPSED = "SELECT 1 AS one FROM accounts WHERE account_name = :account AND kill_switch_day < :day"
_ORDER_LIMIT = "SELECT latch_order_limit(:account, :reason) AS done"
_BOOKS = """
UPDATE accounts SET books_halt = CAST(:reason AS text)
WHERE account_name = :account AND books_halt IS DISTINCT FROM CAST(:reason AS text)
"""
_LEDGER = "SELECT latch_ledger(:account, :reason, :since) AS done"
_COMPARED = """
UPDATE accounts SET ledger_agreed_at = CAST(:agreed_at AS timestamptz)
WHERE account_name = :account AND ledger_halt IS NOT NULL
  AND ledger_agreed_at IS DISTINCT FROM CAST(:agreed_at AS timestamptz)
"""


def _done(tx: Transaction, sql: str, **values: object) -> bool:
    row = tx.one(sql, **values)
    return row is not None and bool(row["done"])


def latch_kill_switch(tx: Transaction, *, account: str, reason: str, day: date) -> bool:
    """Halt entries for the rest of that session; False: that session's latch stands already."""
    return _done(tx, _LATCH, account=account, reason=reason, day=day)


def kill_switch_lapsed(tx: Transaction, *, account: str, day: date) -> bool:
    """Whether the newest latch is an earlier session's, which halts nothing any more."""
    return tx.one(_LAPSED, account=account, day=day) is not None


def latch_order_limit(tx: Transaction, *, account: str, reason: str) -> bool:
    """Halt entries until somebody resumes; False when that latch stands already."""
    return _done(tx, _ORDER_LIMIT, account=account, reason=reason)


def set_books_halt(tx: Transaction, *, account: str, reason: str | None) -> None:
    """Halt entries while the ledger and the broker differ; None when they agree."""
    tx.enqueue(_BOOKS, account=account, reason=reason)


def latch_ledger(tx: Transaction, *, account: str, reason: str, since: datetime) -> bool:
    """Halt entries until the ledger was compared with the broker's and somebody resumes.

    False when that latch stands already and nothing was compared since.

    Args:
        since: From when on the broker may have orders and fills that the database lost.
    """
    return _done(tx, _LEDGER, account=account, reason=reason, since=since)


def set_ledger_agreed(tx: Transaction, *, account: str, agreed_at: datetime | None) -> None:
    """When the halted ledger agreed with the broker; None: it does not."""
    tx.enqueue(_COMPARED, account=account, agreed_at=agreed_at)
