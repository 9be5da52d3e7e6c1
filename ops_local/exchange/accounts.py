"""Paper accounts and the API keys that open them."""

import hmac
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PaperAccount:
    """One paper account as it is opened; `cash` is its opening balance, USD."""

    name: str
    account_number: str
    key_id: str
    secret_key: str
    cash: Decimal
    no_shorting: bool = True

    def __repr__(self) -> str:
        return f"PaperAccount({self.name}, {self.account_number})"


def dump(accounts: Sequence[PaperAccount]) -> str:
    """One line of JSON with the secrets in it: send it through a pipe, never to a log."""
    return json.dumps([{**asdict(account), "cash": str(account.cash)} for account in accounts])


def parse(text: str) -> list[PaperAccount]:
    """Read accounts from a JSON list.

    Raises:
        ValueError: it is not a list, is empty, or two accounts share a name, number or key.
        TypeError: an account lacks a field or has an unknown one.
    """
    raw = json.loads(text)
    if not isinstance(raw, list) or not raw:
        raise ValueError("accounts must be a JSON list with at least one account")
    accounts = [PaperAccount(**{**entry, "cash": Decimal(entry["cash"])}) for entry in raw]
    for field in ("name", "account_number", "key_id"):
        if len({getattr(account, field) for account in accounts}) < len(accounts):
            raise ValueError(f"two accounts share one {field}")
    return accounts


@dataclass(frozen=True, slots=True)
class _Key:
    """A secret, whom it was issued to and the account that it opens."""

    secret_key: str
    issued_to: str
    opens: str


class KeyRing:
    """Maps API keys to accounts."""

    def __init__(self, accounts: Sequence[PaperAccount]) -> None:
        self._accounts = {account.name: account for account in accounts}
        self._keys = {
            account.key_id: _Key(account.secret_key, account.name, account.name)
            for account in accounts
        }

    def account(self, key_id: str, secret_key: str) -> PaperAccount | None:
        """The account that these keys open, or None."""
        key = self._keys.get(key_id)
        if key is None or not hmac.compare_digest(key.secret_key.encode(), secret_key.encode()):
            return None
        return self._accounts[key.opens]

    def name_of(self, key_id: str) -> str | None:
        """The name of the account that this key opens, its secret unchecked."""
        key = self._keys.get(key_id)
        return None if key is None else key.opens

    def rotate(self, account: str, key_id: str, secret_key: str, opens: str) -> None:
        """Revoke an account's keys and issue a new pair that opens the account `opens`.

        Raises:
            LookupError: there is no such account.
            ValueError: the key id belongs to another account.
        """
        for name in (account, opens):
            if name not in self._accounts:
                raise LookupError(f"no account {name}")
        kept = {name: key for name, key in self._keys.items() if key.issued_to != account}
        if key_id in kept:
            raise ValueError(f"the key {key_id} is taken")
        self._keys = {**kept, key_id: _Key(secret_key, account, opens)}


def key_variables(accounts: Sequence[PaperAccount]) -> dict[str, str]:
    """Environment variables that give a client these accounts' credentials."""
    return {
        f"ALPACA_{account.name.upper()}_{name}": value
        for account in accounts
        for name, value in (
            ("KEY_ID", account.key_id),
            ("SECRET_KEY", account.secret_key),
            ("ACCOUNT_NUMBER", account.account_number),
        )
    }
