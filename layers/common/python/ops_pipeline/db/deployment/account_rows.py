"""Accounts as the operator sets them up: added, switched on or off, with other limits."""

from collections.abc import Mapping
from dataclasses import dataclass

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.deployment.account_limits import LIMITS, LimitValue

_COLUMNS = ", ".join(LIMITS)
_LIMITS_OF = f"SELECT {_COLUMNS} FROM accounts WHERE account_name = :name"
# Stocks alone: options are not finished.
_ADD = f"""
INSERT INTO accounts (account_name, broker, execution_mode, active, allowed_actions,
                      fractional_shares, {_COLUMNS})
VALUES (:name, :broker, :mode, false, '{{BUY_STOCK,SELL_STOCK}}', false,
        {", ".join(f":{name}" for name in LIMITS)})
ON CONFLICT DO NOTHING
"""
_SWITCH = """
UPDATE accounts SET active = :active WHERE account_name = :name AND active <> :active
"""
_SET_LIMITS = f"""
UPDATE accounts SET {", ".join(f"{name} = :{name}" for name in LIMITS)}
WHERE account_name = :name
"""
_SET_MODE = """
UPDATE accounts SET execution_mode = :mode
WHERE account_name = :name AND execution_mode <> :mode
"""
_OPEN = """
SELECT (SELECT count(*) FROM active_positions
        WHERE account_name = :name AND status <> 'closed') AS positions,
       (SELECT count(*) FROM orders
        WHERE account_name = :name AND is_live(status)) AS orders
"""


@dataclass(frozen=True, slots=True)
class OpenThings:
    """What an account has open: positions, and orders that may still fill."""

    positions: int
    orders: int

    def __bool__(self) -> bool:
        return bool(self.positions or self.orders)

    def __str__(self) -> str:
        return f"{self.positions} positions and {self.orders} live orders"


def limits_of(tx: Transaction, name: str) -> dict[str, LimitValue]:
    """The account's limits by name; None: it has no value of its own. LookupError: no account."""
    row = tx.one(_LIMITS_OF, name=name)
    if row is None:
        raise LookupError(f"no account {name}")
    return dict(row)


def add(
    tx: Transaction, name: str, *, broker: str, mode: str, limits: Mapping[str, LimitValue]
) -> bool:
    """Add an account, switched off and unbound; False when there is one of that name."""
    return tx.execute(_ADD, name=name, broker=broker, mode=mode, **limits) > 0


def switch(tx: Transaction, name: str, *, active: bool) -> bool:
    """Let it make new entries, or no more; False when it stood so already."""
    return tx.execute(_SWITCH, name=name, active=active) > 0


def set_limits(tx: Transaction, name: str, limits: Mapping[str, LimitValue]) -> None:
    """Replace all of its limits."""
    tx.execute(_SET_LIMITS, name=name, **limits)


def set_mode(tx: Transaction, name: str, mode: str) -> bool:
    """Execute its orders otherwise; False when it does so already.

    Raises:
        ConstraintViolated: something of it is open, or its ended orders are still watched.
    """
    return tx.execute(_SET_MODE, name=name, mode=mode) > 0


def open_things(tx: Transaction, name: str) -> OpenThings:
    """What is open in the account now."""
    row = tx.one(_OPEN, name=name)
    assert row is not None  # noqa: S101 - two counts always give a row
    return OpenThings(**row)
