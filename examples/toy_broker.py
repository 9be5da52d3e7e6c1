"""A second broker: an adapter for the made-up brokerage of toy_desk.py, and its registration.

docs/extending.md walks through it. An adapter translates, in both directions, and does nothing
else: the vendor's words into ours, its errors into those that name what a caller can do.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from examples.toy_desk import DeskRefused, DeskSilent, ToyDesk
from ops_pipeline.domain.broker import (
    BrokerAccount,
    BrokerCashActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    BrokerStatus,
    OrderRequest,
    Side,
)
from ops_pipeline.domain.legible import Listing
from ops_pipeline.errors import BrokerOutcomeUnknown, BrokerRejected, BrokerUnavailable
from ops_pipeline.ports import Binding, Broker, send_always
from ops_pipeline.runtime.registry import BrokerAccess, register_broker

T = TypeVar("T")

_STATUS: dict[str, BrokerStatus] = {
    "OPEN": "working",
    "PART": "working",
    "DONE": "filled",
    "PULLED": "canceled",
    "LAPSED": "expired",
}
_SIDES: dict[str, Side] = {"B": "buy", "S": "sell"}
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class ToyBroker:
    """ports.Broker at the toy desk.

    Args:
        binding: Must accept the account's number before anything else is asked or sent.
    """

    def __init__(self, desk: ToyDesk, binding: Binding) -> None:
        self._desk, self._binding = desk, binding
        self._is_bound = False

    def account(self) -> BrokerAccount:
        self._is_bound = False
        told = _read(self._desk.customer)
        self._binding.require(told["number"])
        self._is_bound = True
        return BrokerAccount(
            account_number=told["number"],
            raw_status=told["state"],
            trading_blocked=told["state"] != "OK",
            no_shorting=True,
            cash=told["cash"],
            equity=told["worth"],
            last_equity=told["worth"],
            buying_power=told["spendable"],
            options_buying_power=Decimal(0),
            options_trading_level=0,
        )

    def positions(self) -> Listing[BrokerPosition]:
        self._require_bound()
        return Listing(
            BrokerPosition(held["symbol"], held["count"], held["free"], held["cost"])
            for held in _read(self._desk.holdings)
        )

    def is_tradable(self, symbol: str) -> bool:
        self._require_bound()
        return _read(lambda: self._desk.lists(symbol))

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        every = self.orders_since(_LONG_AGO)
        return next((one for one in every if one.client_order_id == client_order_id), None)

    def orders_since(self, since: datetime) -> Listing[BrokerOrder]:
        self._require_bound()
        return Listing(_order(ticket) for ticket in _read(lambda: self._desk.book(since)))

    def resting_orders(self) -> Listing[BrokerOrder]:
        return Listing(it for it in self.orders_since(_LONG_AGO) if it.status == "working")

    def submit(
        self, order: OrderRequest, before_sending: Callable[[], None] = send_always
    ) -> BrokerOrder:
        self._require_bound()
        before_sending()
        ticket = {
            "ref": order.client_order_id,
            "symbol": order.symbol,
            "way": "B" if order.side == "buy" else "S",
            "count": order.quantity,
            "kind": order.order_type.upper(),
            "price": order.price,
        }
        try:
            return _order(self._desk.place(ticket))
        except DeskRefused as refusal:
            if str(refusal) == "ref used before":
                raise BrokerOutcomeUnknown(
                    "an order was placed under this id before: look it up"
                ) from None
            raise BrokerRejected(str(refusal)) from None
        except DeskSilent as error:
            if error.heard:
                raise BrokerOutcomeUnknown("the order may have been placed") from None
            raise BrokerUnavailable("the order was not sent") from None

    def cancel(self, broker_order_id: str) -> None:
        self._require_bound()
        _read(lambda: self._desk.pull(broker_order_id))

    def fills_since(self, since: datetime) -> Listing[BrokerFill]:
        self._require_bound()
        return Listing(_fill(trade) for trade in _read(lambda: self._desk.tape(since)))

    def cash_activities_since(self, since: datetime) -> Listing[BrokerCashActivity]:
        """The desk moves no money but by trades."""
        del since
        self._require_bound()
        return Listing()

    def _require_bound(self) -> None:
        if not self._is_bound:
            self.account()


def _read(ask: Callable[[], T]) -> T:
    """An error is never an empty list."""
    try:
        return ask()
    except (DeskRefused, DeskSilent) as error:
        raise BrokerUnavailable(str(error)) from None


def _order(ticket: dict[str, Any]) -> BrokerOrder:
    return BrokerOrder(
        broker_order_id=ticket["id"],
        client_order_id=ticket["ref"],
        symbol=ticket["symbol"],
        side=_SIDES[ticket["way"]],
        order_type=ticket["kind"].lower(),
        quantity=ticket["count"],
        filled_quantity=ticket["done"],
        filled_average_price=ticket["average"],
        status=_STATUS.get(ticket["state"], "unknown"),
        raw_status=ticket["state"],
        submitted_at=ticket["at"],
        updated_at=ticket["changed"],
    )


def _fill(trade: dict[str, Any]) -> BrokerFill:
    return BrokerFill(
        fill_id=trade["id"],
        broker_order_id=trade["ticket"],
        symbol=trade["symbol"],
        side=_SIDES[trade["way"]],
        quantity=trade["count"],
        price=trade["price"],
        executed_at=trade["at"],
    )


def register(desk_of: Callable[[str, str], ToyDesk]) -> None:
    """Let accounts name `toy` as their broker.

    Args:
        desk_of: Opens the desk by an account's key and secret; a real adapter opens HTTP.
    """

    def build(access: BrokerAccess) -> Broker:
        keys = access.keys()
        return ToyBroker(desk_of(keys.key_id, keys.secret_key), access.binding)

    register_broker("toy", build)
