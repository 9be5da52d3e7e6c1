"""Remembers a loss that only the broker's equity showed, until a second tick shows it too."""

from datetime import datetime, timedelta
from decimal import Decimal

from ops_pipeline.db.driver.connection import Transaction

_EARLIER = """
SELECT 1 AS one FROM broker_losses
WHERE account_name = :account AND tick < :tick AND tick >= :oldest
"""
# The first of two ticks stays; one that is too old, or came later, is none.
_KEEP = """
INSERT INTO broker_losses AS known (account_name, tick, loss) VALUES (:account, :tick, :loss)
ON CONFLICT (account_name) DO UPDATE SET tick = excluded.tick, loss = excluded.loss
WHERE known.tick < :oldest OR known.tick > excluded.tick
"""
_FORGET = "DELETE FROM broker_losses WHERE account_name = :account"


def is_confirmed(tx: Transaction, account: str, tick: datetime, *, within: timedelta) -> bool:
    """Whether an earlier tick, at most so long ago, showed a loss over the limit too."""
    return tx.one(_EARLIER, account=account, tick=tick, oldest=tick - within) is not None


def keep(
    tx: Transaction, account: str, *, tick: datetime, loss: Decimal, within: timedelta
) -> None:
    tx.enqueue(_KEEP, account=account, tick=tick, loss=loss, oldest=tick - within)


def forget(tx: Transaction, account: str) -> None:
    """The broker's equity shows no loss over the limit."""
    tx.enqueue(_FORGET, account=account)
