"""Client of an exchange's control API."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import urllib3

from ops_local.exchange.conditions import BehaviourName
from ops_local.exchange.words import EndStatus

_TIMEOUT_S = 30


class ExchangeFailed(RuntimeError):
    """The exchange did not start, or refused a control request."""


class ControlClient:
    """Controls the exchange that serves at `url`, by the token that it printed there.

    Every method raises ExchangeFailed, with the exchange's own message, when it refuses.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(total=_TIMEOUT_S),
            retries=urllib3.Retry(0),
            headers={"Authorization": f"Bearer {token}"},
        )

    def now(self) -> datetime:
        """The exchange's current time, UTC."""
        return datetime.fromisoformat(self._request("GET", "/control/clock")["now"])

    def set_clock(self, now: datetime) -> None:
        """Move its clock; resting orders are filled on the way.

        Refused when the time is before the current one or has no UTC offset.
        """
        self._request("POST", "/control/clock", {"now": now.isoformat()})

    def set_faults(self, rules: Sequence[Mapping[str, Any]] = (), *, seed: int = 0) -> None:
        """Replace the fault rules in force (see `faults.rules.Rule`); none at all by default."""
        self._request("POST", "/control/faults", {"seed": seed, "rules": list(rules)})

    def faults_injected(self) -> dict[str, int]:
        """Number of faults injected since the rules were set, by kind."""
        return self._request("GET", "/control/faults")

    def add_activity(
        self, account: str, type_: str, amount: str, *, symbol: str | None = None
    ) -> None:
        """Move an account's cash without a trade; `amount` is negative when it pays."""
        fields = {"account": account, "type": type_, "amount": amount, "symbol": symbol}
        self._request("POST", "/control/activities", fields)

    def add_corporate_action(self, kind: str, symbol: str, ex_date: str, **terms: Any) -> str:
        """Announce an action (see `corporate.announcing`); return its id.

        It is carried out over night before its ex-date.
        """
        fields = {"kind": kind, "symbol": symbol, "ex_date": ex_date, **terms}
        return str(self._request("POST", "/control/corporate-actions", fields)["id"])

    def add_holding(self, account: str, symbol: str, qty: str, price: str, **more: str) -> None:
        """Add a holding from before; `bought_on` and `asset_class` may be given as well."""
        fields = {"account": account, "symbol": symbol, "qty": qty, "price": price, **more}
        self._request("POST", "/control/holdings", fields)

    def set_account(self, account: str, **condition: str | bool | int | None) -> None:
        """Set fields of an account's condition (see `conditions.AccountCondition`)."""
        self._request("POST", "/control/accounts", {"account": account, **condition})

    def rotate_keys(
        self, account: str, key_id: str, secret_key: str, opens: str | None = None
    ) -> None:
        """Revoke an account's keys for a new pair, which may open another account."""
        fields = {"account": account, "key_id": key_id, "secret_key": secret_key}
        self._request("POST", "/control/keys", {**fields, "opens": opens or account})

    def set_asset(self, symbol: str, **condition: str | bool) -> None:
        """Set `status` (active, inactive) or `tradable` of an asset."""
        self._request("POST", "/control/assets", {"symbol": symbol, **condition})

    def set_halt(self, symbol: str, *, halted: bool) -> None:
        """Halt trading in a symbol from now on, or resume it."""
        self._request("POST", "/control/halts", {"symbol": symbol, "halted": halted})

    def set_behaviour(self, name: BehaviourName, value: str) -> None:
        """Set a behaviour to one of its values (see `conditions.BEHAVIOURS`)."""
        self._request("POST", "/control/behaviours", {"name": name, "value": value})

    def place_order(self, account: str, **order: str) -> dict[str, Any]:
        """Place an order by hand, with the fields of POST /v2/orders; return it."""
        return self._request("POST", "/control/orders", {"account": account, **order})

    def end_order(self, account: str, order: str, status: EndStatus) -> dict[str, Any]:
        """End a live order as its venue, or a person, does. `order` is one of its two ids."""
        fields = {"account": account, "order": order, "status": status}
        return self._request("POST", "/control/orders/end", fields)

    def fill_order(
        self, account: str, order: str, qty: int, price: str | None = None
    ) -> dict[str, Any]:
        """Report an execution of any order, also of one that has ended or is filled."""
        fields = {"account": account, "order": order, "qty": str(qty), "price": price}
        return self._request("POST", "/control/orders/fill", fields)

    def forget_order(self, account: str, order: str) -> None:
        """Lose an order that has no fills: it is answered 404 from now on."""
        self._request("POST", "/control/orders/forget", {"account": account, "order": order})

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of its store by table, as stored: money and times are text."""
        return self._request("GET", "/control/tables")

    def _request(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        answer = self._http.request(method, self.url + path, json=body)
        if answer.status != 200:
            raise ExchangeFailed(f"{method} {path}: {answer.status} {answer.data.decode()}")
        return dict(answer.json())
