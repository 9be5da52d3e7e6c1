"""One account at Alpaca, asked through alpaca-py and answered in our own words."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

from ops_pipeline.adapters import alpaca_records as records
from ops_pipeline.adapters import alpaca_words
from ops_pipeline.adapters.alpaca_account import AccountWire
from ops_pipeline.adapters.alpaca_records import Illegible
from ops_pipeline.adapters.alpaca_wire import NoAnswer, NotSent, Renew, RequestRefused, Wire
from ops_pipeline.adapters.one_number import OneNumber
from ops_pipeline.domain.broker import (
    BrokerAccount,
    BrokerCashActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    OrderRequest,
)
from ops_pipeline.errors import (
    BrokerOutcomeUnknown,
    BrokerRejected,
    BrokerUnavailable,
    OpsError,
)
from ops_pipeline.ports import Binding, send_always

T = TypeVar("T")

_ORDERS_A_PAGE = 500
_ACTIVITIES_A_PAGE = 100
_INSTANT = timedelta(microseconds=1)


class AlpacaBroker:
    """ports.Broker on Alpaca's trading API.

    Args:
        url: For example https://paper-api.alpaca.markets, without the version.
        key_id: The account's key.
        secret_key: The key's secret.
        account_number: The account these keys must open, or what says whether a number is
            that account's: checked before anything else is asked, at each read of the
            account and whenever the keys have changed (AccountMismatch). Never logged.
        renew: Reads the keys anew when they were refused.
    """

    def __init__(
        self,
        url: str,
        key_id: str,
        secret_key: str,
        account_number: str | Binding,
        renew: Renew | None = None,
    ) -> None:
        binding = OneNumber(account_number) if isinstance(account_number, str) else account_number
        self._wire = AccountWire(Wire(url, key_id, secret_key, renew), binding)
        self._long_only: dict[str, bool] = {}

    def account(self) -> BrokerAccount:
        account = self._wire.account()
        if account.no_shorting:
            return account
        return replace(account, no_shorting=self._is_long_only(account.account_number))

    def positions(self) -> list[BrokerPosition]:
        return self._wire.read("/positions", {}, lambda raw: records.each(raw, records.position))

    def is_tradable(self, symbol: str) -> bool:
        path = f"/assets/{quote(symbol, safe='')}"
        return bool(self._wire.read_if_there(path, {}, records.is_tradable))

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        params = {"client_order_id": client_order_id}
        return self._wire.read_if_there("/orders:by_client_order_id", params, records.order)

    def orders_since(self, since: datetime) -> list[BrokerOrder]:
        return [order for order in self._all_orders(since) if order.submitted_at >= since]

    def submit(
        self, order: OrderRequest, before_sending: Callable[[], None] = send_always
    ) -> BrokerOrder:
        fields = records.order_fields(order)
        try:
            placed = records.order(self._wire.ask("POST", "/orders", fields, before_sending))
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
        try:
            self._wire.ask("DELETE", f"/orders/{quote(broker_order_id, safe='')}", None)
        except RequestRefused as refusal:
            if refusal.status != 422:
                raise BrokerUnavailable(f"cancel: {self._wire.said(refusal)}") from None
        except (NotSent, NoAnswer) as error:
            raise BrokerUnavailable(f"cancel: {error}") from None

    def fills_since(self, since: datetime) -> list[BrokerFill]:
        """Executions reported since then; one reported late may be older."""
        params = {"after": _stamp(since - _INSTANT)}
        path = "/account/activities/FILL"
        return list(self._activities(path, params, records.fill, lambda fill: fill.fill_id))

    def cash_activities_since(self, since: datetime) -> list[BrokerCashActivity]:
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
            page = self._wire.read("/orders", params, lambda raw: records.each(raw, records.legs))
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
            page = self._wire.read(path, params, lambda raw: records.each(raw, understand))
            yield from page
            if len(page) < _ACTIVITIES_A_PAGE:
                return
            if id_of(page[-1]) == params.get("page_token"):
                raise BrokerUnavailable(f"GET {path}: the pages do not move on")
            params["page_token"] = id_of(page[-1])

    def _is_long_only(self, account_number: str) -> bool:
        """The account's own setting; it is read once a process."""
        if account_number not in self._long_only:
            setting = self._wire.read("/account/configurations", {}, records.long_only)
            self._long_only[account_number] = setting
        return self._long_only[account_number]

    def _verdict(self, refusal: RequestRefused) -> OpsError:
        """What a refused order means; a 4xx we can't read might be "must be unique"."""
        said = self._wire.said(refusal)
        if refusal.status == 429 or refusal.is_about_keys:
            return BrokerUnavailable(f"the order was not taken: {said}")
        if refusal.status >= 500 or refusal.status == 408 or refusal.words is None:
            return BrokerOutcomeUnknown(f"the order may have been placed: {said}")
        if refusal.status == 409 or alpaca_words.says_placed_before(refusal.words):
            return BrokerOutcomeUnknown(f"an order was placed under this id before: {said}")
        return BrokerRejected(said)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
