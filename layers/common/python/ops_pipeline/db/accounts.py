"""Reads accounts with their limits and halts, and which of them a tick serves."""

from dataclasses import fields
from datetime import datetime

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.orders import FILLS_WATCHED_FOR, WATCHED_FOR
from ops_pipeline.errors import InvalidInput, StaleData

_COLUMNS = ", ".join(column.name for column in fields(Account))

_NAMES_AT = """
SELECT account_name FROM accounts WHERE broker = :broker ORDER BY account_name COLLATE "C"
"""

_NAMES = 'SELECT account_name FROM accounts ORDER BY account_name COLLATE "C"'

_LOAD = f"SELECT {_COLUMNS} FROM accounts WHERE account_name = :name"

# Locked before any order, recommendation or position.
_LOAD_LOCKED = f"{_LOAD} FOR NO KEY UPDATE"

_ENTRY = 'SELECT account_name FROM accounts WHERE active ORDER BY account_name COLLATE "C"'

_INACTIVE = 'SELECT account_name FROM accounts WHERE NOT active ORDER BY account_name COLLATE "C"'

# Positions, live orders, requests to close and ended orders that may still turn out to have
# filled are guarded even if the account is inactive.
_HELD = """
      EXISTS (SELECT 1 FROM active_positions AS p
              WHERE p.account_name = a.account_name AND p.status <> 'closed')
   OR EXISTS (SELECT 1 FROM orders AS o
              WHERE o.account_name = a.account_name AND is_live(o.status))
   OR EXISTS (SELECT 1 FROM orders AS o
              WHERE o.account_name = a.account_name AND o.execution_mode <> 'SIMULATED'
                AND (o.decided_at >= :watched_since OR o.terminal_at >= :watched_since))
   OR EXISTS (SELECT 1 FROM orders AS o
              WHERE o.account_name = a.account_name AND o.filled_qty > 0
                AND (o.decided_at >= :fills_since OR o.terminal_at >= :fills_since)
                AND o.filled_qty > (SELECT coalesce(sum(f.quantity), 0) FROM fills AS f
                                    WHERE f.client_order_id = o.client_order_id))
   OR EXISTS (SELECT 1 FROM close_requests AS c
              WHERE c.account_name = a.account_name AND c.done_at IS NULL)
"""

_GUARD = f"""
SELECT account_name FROM accounts AS a WHERE active OR {_HELD} ORDER BY account_name COLLATE "C"
"""

_HOLDS = f"SELECT account_name FROM accounts AS a WHERE account_name = :name AND ({_HELD})"

_COMPARED = f"""
SELECT account_name FROM ({_GUARD}) AS guarded JOIN accounts USING (account_name)
WHERE execution_mode <> 'SIMULATED' ORDER BY account_name COLLATE "C"
"""


def names_at(tx: Transaction, broker: str = "alpaca") -> list[str]:
    """The broker's accounts by name. Raises StaleData when there are none."""
    names = _names(tx, _NAMES_AT, broker=broker)
    if not names:
        raise StaleData(f"accounts holds no account at {broker}")
    return names


def all_names(tx: Transaction) -> list[str]:
    """Every account by name, whatever its state."""
    return _names(tx, _NAMES)


def load(tx: Transaction, name: str) -> Account:
    """The account of that name.

    Raises:
        InvalidInput: there is none; the message names those that there are.
    """
    return _loaded(tx, _LOAD, name)


def load_locked(tx: Transaction, name: str) -> Account:
    """As `load`, anew and under the account's row lock, which is taken before any other."""
    return _loaded(tx, _LOAD_LOCKED, name)


def _loaded(tx: Transaction, statement: str, name: str) -> Account:
    row = tx.one(statement, name=name)
    if row is None:
        known = ", ".join(_names(tx, _NAMES)) or "none"
        raise InvalidInput(f"account: {name} is unknown; known are {known}")
    return _account(row)


def inactive_accounts(tx: Transaction) -> list[str]:
    """Those that no new entry may be made for, by name."""
    return _names(tx, _INACTIVE)


def entry_accounts(tx: Transaction) -> list[str]:
    """The active accounts by name: those that new entries may be made for."""
    return _names(tx, _ENTRY)


def guard_accounts(tx: Transaction, now: datetime) -> list[str]:
    """Active accounts and all that hold something or have an order watched, halted or not."""
    since = {"watched_since": now - WATCHED_FOR, "fills_since": now - FILLS_WATCHED_FOR}
    return _names(tx, _GUARD, **since)


def holds_anything(tx: Transaction, name: str, now: datetime) -> bool:
    """Whether an account would be guarded also if it were inactive."""
    since = {"watched_since": now - WATCHED_FOR, "fills_since": now - FILLS_WATCHED_FOR}
    return bool(_names(tx, _HOLDS, name=name, **since))


def compared_accounts(tx: Transaction, now: datetime) -> list[str]:
    """Guarded accounts that have a broker to be compared with."""
    since = {"watched_since": now - WATCHED_FOR, "fills_since": now - FILLS_WATCHED_FOR}
    return _names(tx, _COMPARED, **since)


def _names(tx: Transaction, sql: str, **values: object) -> list[str]:
    return [row["account_name"] for row in tx.rows(sql, **values)]


def _account(row: Row) -> Account:
    return Account(**{**row, "allowed_actions": tuple(row["allowed_actions"])})
