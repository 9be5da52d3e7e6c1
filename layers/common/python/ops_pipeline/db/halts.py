"""What halts an account's entries: the operator, kill switch, order limits, a broker break."""

from datetime import date

from ops_pipeline.db.driver.connection import Transaction

# The reason that halts entries on the New York day `:today`, or NULL; Account.halts in SQL. A
# kill switch of an earlier session halts nothing any more.
HALTED = """coalesce(operator_halt, books_halt, order_limit_halt,
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
