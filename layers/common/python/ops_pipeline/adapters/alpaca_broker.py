"""One account at Alpaca, asked through alpaca-py and answered in our own words."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

from ops_pipeline.adapters import alpaca_records as records
from ops_pipeline.adapters import alpaca_words
from ops_pipeline.adapters.alpaca_account import AccountWire
from ops_pipeline.adapters.alpaca_wire import NoAnswer, NotSent, Renew, RequestRefused, Wire
from ops_pipeline.adapters.items import Illegible, text_of, understood
from ops_pipeline.adapters.one_number import OneNumber
from ops_pipeline.domain.broker import (
    BrokerAccount,
    BrokerCashActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    OrderRequest,
)
from ops_pipeline.domain.legible import IllegibleItem, ItemKind, Listing
from ops_pipeline.domain.market import Session, new_york_time
from ops_pipeline.errors import (
    BrokerOutcomeUnknown,
    BrokerRejected,
    BrokerUnavailable,
    OpsError,
)
from ops_pipeline.ports import Binding, Heard, send_always

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
        heard: Told of each request and its answer.
    """

    def __init__(
        self,
        url: str,
        key_id: str,
        secret_key: str,
        account_number: str | Binding,
        renew: Renew | None = None,
        *,
        heard: Heard | None = None,
    ) -> None:
        binding = OneNumber(account_number) if isinstance(account_number, str) else account_number
        self._wire = AccountWire(Wire(url, key_id, secret_key, renew, heard), binding)
        self._long_only: dict[str, bool] = {}

    def account(self) -> BrokerAccount:
        account = self._wire.account()
        if account.no_shorting:
            return account
        return replace(account, no_shorting=self._is_long_only(account.account_number))

    def positions(self) -> Listing[BrokerPosition]:
        items = self._wire.read("/positions", {}, records.items_of)
        found = records.each("position", items, records.position)
        return Listing(found, self._shown(found.illegible))

    def is_tradable(self, symbol: str) -> bool:
        path = f"/assets/{quote(symbol, safe='')}"
        return bool(self._wire.read_if_there(path, {}, records.is_tradable))

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        params = {"client_order_id": client_order_id}
        return self._wire.read_if_there("/orders:by_client_order_id", params, records.order)

    def orders_since(self, since: datetime) -> Listing[BrokerOrder]:
        found = self._all_orders("all", since - _INSTANT)
        return Listing(
            [order for order in found if order.submitted_at >= since],
            self._shown(found.illegible),
        )

    def resting_orders(self) -> Listing[BrokerOrder]:
        found = self._all_orders("open", None)
        return Listing(found, self._shown(found.illegible))

    def submit(
        self, order: OrderRequest, before_sending: Callable[[], None] = send_always
    ) -> BrokerOrder:
        fields = records.order_fields(order)
        try:
            answer = self._wire.ask("POST", "/orders", fields, before_sending)
            placed = understood(records.order, answer)
        except RequestRefused as refusal:
            raise verdict_of(refusal, self._wire.said(refusal)) from None
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

    def market_time(self) -> datetime:
        return self._wire.read("/clock", {}, records.market_time)

    def market_days(self, first: date, last: date) -> Listing[Session]:
        asked = {"start": _noon(first), "end": _noon(last)}
        items = self._wire.read("/calendar", asked, records.items_of)
        return records.each("session", items, records.session)

    def fills_since(self, since: datetime) -> Listing[BrokerFill]:
        """Executions reported since then; one reported late may be older."""
        params = {"after": _stamp(since - _INSTANT)}
        items = self._activities("/account/activities/FILL", params)
        return self._each_once("fill", items, records.fill, lambda fill: fill.fill_id)

    def cash_activities_since(self, since: datetime) -> Listing[BrokerCashActivity]:
        params = {"after": _stamp(since - _INSTANT), "category": "non_trade_activity"}
        items = self._activities("/account/activities", params)
        return self._each_once(
            "cash_activity", items, records.cash_activity, lambda it: it.activity_id
        )

    def _each_once(
        self,
        kind: ItemKind,
        items: list[object],
        understand: Callable[[object], T],
        id_of: Callable[[T], str],
    ) -> Listing[T]:
        found = records.each(kind, items, understand)
        return Listing({id_of(it): it for it in found}.values(), self._shown(found.illegible))

    def _shown(self, illegible: Iterable[IllegibleItem]) -> list[IllegibleItem]:
        """Each once, without the account's number wherever it may stand."""
        each = {it.name: it for it in illegible}
        clean = self._wire.without_number
        return [
            replace(it, name=clean(it.name), reason=clean(it.reason), content=clean(it.content))
            for it in each.values()
        ]

    def _all_orders(self, status: str, after: datetime | None) -> Listing[BrokerOrder]:
        """Every order of that status once, in the order of submission.

        `after` is exclusive and orders may share an instant, so a page begins an instant
        before the last one ended, and what is known already is left out. A page is full by
        its raw items, legible or not.
        """
        known: dict[str, BrokerOrder] = {}
        illegible: dict[str, IllegibleItem] = {}
        while True:
            params = {"status": status, "direction": "asc", "limit": str(_ORDERS_A_PAGE)}
            if after is not None:
                params["after"] = _stamp(after)
            page = self._wire.read("/orders", params, records.items_of)
            found, before = records.orders(page), len(known) + len(illegible)
            for order in found:
                known.setdefault(order.broker_order_id, order)
            illegible |= {it.name: it for it in found.illegible}
            if len(page) < _ORDERS_A_PAGE:
                return Listing(known.values(), illegible.values())
            if len(known) + len(illegible) == before:
                raise BrokerUnavailable("GET /orders: one instant fills a whole page")
            after = _last_submitted(page) - _INSTANT

    def _activities(self, path: str, params: dict[str, str]) -> list[object]:
        """The raw items of all pages of activities, oldest first."""
        params = {**params, "direction": "asc", "page_size": str(_ACTIVITIES_A_PAGE)}
        found: list[object] = []
        while True:
            page = self._wire.read(path, params, records.items_of)
            found += page
            if len(page) < _ACTIVITIES_A_PAGE:
                return found
            last = next((name for it in reversed(page) if (name := text_of(it, "id"))), None)
            if last is None or last == params.get("page_token"):
                raise BrokerUnavailable(f"GET {path}: the pages do not move on")
            params["page_token"] = last

    def _is_long_only(self, account_number: str) -> bool:
        """The account's own setting; it is read once a process."""
        if account_number not in self._long_only:
            setting = self._wire.read("/account/configurations", {}, records.long_only)
            self._long_only[account_number] = setting
        return self._long_only[account_number]


def verdict_of(refusal: RequestRefused, said: str) -> OpsError:
    """What a refused order means; a 4xx we can't read might be "must be unique".

    Args:
        said: The broker's words, without the account's number.
    """
    if refusal.status == 429 or refusal.is_about_keys:
        return BrokerUnavailable(f"the order was not taken: {said}")
    if refusal.status >= 500 or refusal.status == 408 or refusal.words is None:
        return BrokerOutcomeUnknown(f"the order may have been placed: {said}")
    if refusal.status == 409 or alpaca_words.says_placed_before(refusal.words):
        return BrokerOutcomeUnknown(f"an order was placed under this id before: {said}")
    return BrokerRejected(said)


def _last_submitted(page: list[object]) -> datetime:
    """The time of a page's last order whose time is legible."""
    for item in reversed(page):
        with suppress(Illegible):
            return understood(records.submitted_at, item)
    raise BrokerUnavailable("GET /orders: no time on a whole page is legible")


def _noon(day: date) -> str:
    """A moment that lies on that day in New York as well as in UTC."""
    return _stamp(new_york_time(day, 12))


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
