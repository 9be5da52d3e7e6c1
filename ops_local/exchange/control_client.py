"""Client of an exchange's control API."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import urllib3

_TIMEOUT_S = 30


class ExchangeFailed(RuntimeError):
    """The exchange did not start, or refused a control request."""


class ControlClient:
    """Controls the exchange that serves at `url`.

    Every method raises ExchangeFailed, with the exchange's own message, when it refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(total=_TIMEOUT_S), retries=urllib3.Retry(0)
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
