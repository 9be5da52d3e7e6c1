"""Whose keys open which account."""

import hmac
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PaperAccount:
    """One paper account as it is opened; `cash` in USD, whole history starts from it."""

    name: str
    account_number: str
    key_id: str
    secret_key: str
    cash: Decimal
    no_shorting: bool = True

    def __repr__(self) -> str:
        return f"Account({self.name}, {self.account_number})"


def dump(accounts: Sequence[PaperAccount]) -> str:
    """One line of JSON with the secrets in it: for a pipe, not for a log."""
    return json.dumps([{**asdict(account), "cash": str(account.cash)} for account in accounts])


def parse(text: str) -> list[PaperAccount]:
    """The accounts of a JSON list.

    Raises:
        ValueError: not a list, no account at all, or two that share keys or number.
        TypeError: an account lacks a field or has one too many.
    """
    raw = json.loads(text)
    if not isinstance(raw, list) or not raw:
        raise ValueError("accounts must be a JSON list with at least one account")
    accounts = [PaperAccount(**{**entry, "cash": Decimal(entry["cash"])}) for entry in raw]
    for field in ("name", "account_number", "key_id"):
        if len({getattr(account, field) for account in accounts}) < len(accounts):
            raise ValueError(f"two accounts share their {field}")
    return accounts


class KeyRing:
    """Finds the account that a pair of keys opens."""

    def __init__(self, accounts: Sequence[PaperAccount]) -> None:
        self._by_key = {account.key_id: account for account in accounts}

    def account(self, key_id: str, secret_key: str) -> PaperAccount | None:
        """The account of these keys, or None when they open nothing."""
        account = self._by_key.get(key_id)
        if account is None or not hmac.compare_digest(account.secret_key, secret_key):
            return None
        return account


def key_variables(accounts: Sequence[PaperAccount]) -> dict[str, str]:
    """The environment that binds the pipeline to these accounts."""
    return {
        f"ALPACA_{account.name.upper()}_{name}": value
        for account in accounts
        for name, value in (
            ("KEY_ID", account.key_id),
            ("SECRET_KEY", account.secret_key),
            ("ACCOUNT_NUMBER", account.account_number),
        )
    }
