"""One account at Alpaca, asked through alpaca-py and answered in our own words."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

from ops_pipeline.adapters import alpaca_records as records
from ops_pipeline.adapters.alpaca_records import Illegible
from ops_pipeline.adapters.alpaca_wire import NoAnswer, NotSent, Renew, RequestRefused, Wire
from ops_pipeline.domain.broker import (
    BrokerAccount,
    BrokerCashActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    OrderRequest,
)
from ops_pipeline.errors import (
    AccountMismatch,
    BrokerOutcomeUnknown,
    BrokerRejected,
    BrokerUnavailable,
    OpsError,
)

T = TypeVar("T")

_ORDERS_A_PAGE = 500
_ACTIVITIES_A_PAGE = 100
_INSTANT = timedelta(microseconds=1)
_PLACED_ALREADY = "client_order_id must be unique"


class AlpacaBroker:
    """ports.Broker on Alpaca's trading API.

    Args:
        url: For example https://paper-api.alpaca.markets, without the version.
        key_id: The account's key.
        secret_key: The key's secret.
        account_number: The account these keys must open: checked before anything else
            is asked, and at each read of the account (AccountMismatch). Never logged.
        renew: Reads the keys anew after a 401; the number they must open stays.
    """

    def __init__(
        self,
        url: str,
        key_id: str,
        secret_key: str,
        account_number: str,
        renew: Renew | None = None,
    ) -> None:
        self._wire = Wire(url, key_id, secret_key, renew)
        self._account_number = account_number
        self._is_bound = False
        self._long_only: bool | None = None

    def account(self) -> BrokerAccount:
        return self._read_account()

    def positions(self) -> list[BrokerPosition]:
        self._require_bound()
        return self._read("/positions", {}, lambda raw: records.each(raw, records.position))

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        self._require_bound()
        params = {"client_order_id": client_order_id}
        return self._read_if_there("/orders:by_client_order_id", params, records.order)

    def orders_since(self, since: datetime) -> list[BrokerOrder]:
        self._require_bound()
        return [order for order in self._all_orders(since) if order.submitted_at >= since]

    def submit(self, order: OrderRequest) -> BrokerOrder:
        self._require_bound()
        try:
            placed = records.order(self._wire.ask("POST", "/orders", records.order_fields(order)))
        except RequestRefused as refusal:
            raise self._verdict(refusal) from None
        except NotSent as error:
            raise BrokerUnavailable(f"the order was not sent: {error}") from None
        except (NoAnswer, Illegible) as error:
            raise BrokerOutcomeUnknown(f"the order may have been placed: {error}") from None
        if placed.client_order_id != order.client_order_id:
            raise BrokerOutcomeUnknown("the broker answered with another order than was sent")
        return placed

    def cancel(self, broker_order_id: str) -> None:
        """As the port says; an order that can't be cancelled any more is no error."""
        self._require_bound()
        try:
            self._wire.ask("DELETE", f"/orders/{quote(broker_order_id, safe='')}", None)
        except RequestRefused as refusal:
            if refusal.status != 422:
                raise BrokerUnavailable(f"cancel: {self._said(refusal)}") from None
        except (NotSent, NoAnswer) as error:
            raise BrokerUnavailable(f"cancel: {error}") from None

    def fills_since(self, since: datetime) -> list[BrokerFill]:
        """Executions reported since then; one reported late may be older."""
        self._require_bound()
        params = {"after": _stamp(since - _INSTANT)}
        path = "/account/activities/FILL"
        return list(self._activities(path, params, records.fill, lambda fill: fill.fill_id))

    def cash_activities_since(self, since: datetime) -> list[BrokerCashActivity]:
        self._require_bound()
        params = {"after": _stamp(since - _INSTANT), "category": "non_trade_activity"}
        found = self._activities(
            "/account/activities", params, records.cash_activity, lambda it: it.activity_id
        )
        return list({it.activity_id: it for it in found}.values())

    def _all_orders(self, since: datetime) -> Iterator[BrokerOrder]:
        """Every order once, in the order of submission.

        `after` is exclusive and orders may share an instant, so a page begins an instant
        before the last one ended, and what is known already is left out.
        """
        known: set[str] = set()
        after = since - _INSTANT
        while True:
            params = {"status": "all", "direction": "asc", "limit": str(_ORDERS_A_PAGE)}
            params["after"] = _stamp(after)
            page = self._read("/orders", params, lambda raw: records.each(raw, records.legs))
            orders = [order for legs in page for order in legs]
            fresh = [order for order in orders if order.broker_order_id not in known]
            yield from fresh
            if len(page) < _ORDERS_A_PAGE:
                return
            if not fresh:
                raise BrokerUnavailable("GET /orders: one instant fills a whole page")
            known.update(order.broker_order_id for order in fresh)
            after = orders[-1].submitted_at - _INSTANT

    def _activities(
        self,
        path: str,
        params: dict[str, str],
        understand: Callable[[object], T],
        id_of: Callable[[T], str],
    ) -> Iterator[T]:
        """All pages of activities, oldest first."""
        params = {**params, "direction": "asc", "page_size": str(_ACTIVITIES_A_PAGE)}
        while True:
            page = self._read(path, params, lambda raw: records.each(raw, understand))
            yield from page
            if len(page) < _ACTIVITIES_A_PAGE:
                return
            if id_of(page[-1]) == params.get("page_token"):
                raise BrokerUnavailable(f"GET {path}: the pages do not move on")
            params["page_token"] = id_of(page[-1])

    def _require_bound(self) -> None:
        if not self._is_bound:
            self._read_account()

    def _read_account(self) -> BrokerAccount:
        self._is_bound = False
        account = self._read("/account", {}, records.account)
        if account.account_number != self._account_number:
            raise AccountMismatch("these keys open another account than the one bound to them")
        self._is_bound = True
        if account.no_shorting:
            return account
        return replace(account, no_shorting=self._is_long_only())

    def _is_long_only(self) -> bool:
        """The account's own setting; it is read once a process."""
        if self._long_only is None:
            self._long_only = self._read("/account/configurations", {}, records.long_only)
        return self._long_only

    def _read(self, path: str, params: dict[str, str], understand: Callable[[Any], T]) -> T:
        answer = self._read_if_there(path, params, understand)
        if answer is None:
            raise BrokerUnavailable(f"GET {path}: 404")
        return answer

    def _read_if_there(
        self, path: str, params: dict[str, str], understand: Callable[[Any], T]
    ) -> T | None:
        """None is the broker's own 404; one without its words comes from somebody else."""
        try:
            return understand(self._wire.get(path, params))
        except RequestRefused as refusal:
            if refusal.status == 404 and refusal.words is not None:
                return None
            raise BrokerUnavailable(f"GET {path}: {self._said(refusal)}") from None
        except (NotSent, NoAnswer, Illegible) as error:
            raise BrokerUnavailable(f"GET {path}: {error}") from None

    def _verdict(self, refusal: RequestRefused) -> OpsError:
        """What a refused order means; a 4xx we can't read might be "must be unique"."""
        said = self._said(refusal)
        if refusal.status == 429 or refusal.is_about_keys:
            return BrokerUnavailable(f"the order was not taken: {said}")
        if refusal.status >= 500 or refusal.status == 408 or refusal.words is None:
            return BrokerOutcomeUnknown(f"the order may have been placed: {said}")
        if _PLACED_ALREADY in refusal.words:
            return BrokerOutcomeUnknown(f"an order was placed under this id before: {said}")
        return BrokerRejected(said)

    def _said(self, refusal: RequestRefused) -> str:
        return str(refusal).replace(self._account_number, "<account>")


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
