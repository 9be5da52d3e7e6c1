"""Which account at the broker each account stands for: marks of their numbers, and one salt."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from ops_pipeline.db import accounts
from ops_pipeline.db.driver.connection import Database, Transaction
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.binding import number_mark
from ops_pipeline.errors import AccountMismatch

_FIND = """
SELECT b.number_mark AS mark, s.salt
FROM account_bindings AS b JOIN binding_salt AS s ON s.only_row = b.salted
WHERE b.account_name = :account
"""
_BOUND_AT = "SELECT bound_at FROM account_bindings WHERE account_name = :account"
_SALT = "SELECT salt FROM binding_salt"
_ADD_SALT = "INSERT INTO binding_salt (salt) VALUES (:salt) ON CONFLICT DO NOTHING"
_HOLDER = "SELECT account_name FROM account_bindings WHERE number_mark = :mark"
_BIND = """
INSERT INTO account_bindings AS known (account_name, number_mark, bound_at, bound_by)
VALUES (:account, :mark, :now, :by)
ON CONFLICT (account_name) DO UPDATE SET
    number_mark = excluded.number_mark, bound_at = excluded.bound_at, bound_by = excluded.bound_by
"""

_UNBOUND = """
SELECT a.account_name, a.broker FROM accounts AS a
WHERE a.active AND a.execution_mode <> 'SIMULATED'
  AND NOT EXISTS (SELECT 1 FROM account_bindings AS b WHERE b.account_name = a.account_name)
ORDER BY a.account_name COLLATE "C"
"""

NewSalt = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class StoredMark:
    """The mark of the number that an account is bound to, and the salt to try others with."""

    mark: str
    salt: bytes = field(repr=False)

    def fits(self, broker: str, account_number: str) -> bool:
        return hmac.compare_digest(self.mark, number_mark(self.salt, broker, account_number))


def find(db: Database, account: str) -> StoredMark | None:
    """What the account is bound to at this moment; None: it is unbound."""
    for row in db.read(_FIND, account=account):
        return StoredMark(**row)
    return None


def bound_at(tx: Transaction, account: str) -> datetime | None:
    """When the account was bound to its present number; None: it is unbound."""
    row = tx.one(_BOUND_AT, account=account)
    return None if row is None else row["bound_at"]


def missing(account: str, broker: str) -> str:
    """What is said of an account that is not bound: the verb mends it."""
    return (
        f"{account} is not bound to an account at {broker}:"
        f" `ops accounts bind --account {account}` binds it"
    )


def unbound(tx: Transaction) -> list[str]:
    """What is said of each active account that trades for real and is not bound."""
    return [missing(row["account_name"], row["broker"]) for row in tx.rows(_UNBOUND)]


def bind(
    tx: Transaction,
    account: Account,
    account_number: str,
    *,
    new_salt: NewSalt,
    by: str,
    now: datetime,
) -> bool:
    """Bind an account to its number at its broker; False when it was bound to that already.

    Args:
        new_salt: At least 32 bytes, asked for by the first binding of a database alone.

    Raises:
        AccountMismatch: another account stands for that number.
        ConstraintViolated: it is bound to another number and not at rest: not halted by an
            operator, or something is open or live.
    """
    accounts.load_locked(tx, account.account_name)
    mark = number_mark(_salt(tx, new_salt), account.broker, account_number)
    for row in tx.rows(_HOLDER, mark=mark):
        if row["account_name"] == account.account_name:
            return False
        raise AccountMismatch(
            f"{account.account_name}: {row['account_name']} is bound to that account at"
            f" {account.broker} already"
        )
    tx.execute(_BIND, account=account.account_name, mark=mark, now=now, by=by)
    return True


def _salt(tx: Transaction, new_salt: NewSalt) -> bytes:
    """This database's salt. Of two first bindings at once one waits, and takes the other's."""
    row = tx.one(_SALT)
    if row is None:
        tx.execute(_ADD_SALT, salt=new_salt())
        row = tx.one(_SALT)
    if row is None:
        raise LookupError("binding_salt is empty after it was written")
    return bytes(row["salt"])
