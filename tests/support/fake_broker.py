"""A broker in memory that keeps honest books and breaks where a test tells it to."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Literal, TypeVar

from ops_pipeline.adapters import alpaca_words
from ops_pipeline.domain.broker import (
    BrokerAccount,
    BrokerCashActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    OrderRequest,
    OrderType,
    Side,
)
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.legible import IllegibleItem, ItemKind, Listing
from ops_pipeline.domain.trading_terms import FeeKind
from ops_pipeline.errors import BrokerOutcomeUnknown, BrokerRejected, BrokerUnavailable
from ops_pipeline.ports import Clock, send_always

T = TypeVar("T")
Call = Literal[
    "account",
    "positions",
    "is_tradable",
    "order_by_client_id",
    "orders_since",
    "resting_orders",
    "submit",
    "cancel",
    "fills_since",
    "cash_activities_since",
]
RestingOver = Literal["canceled", "adjusted", "left"]
ENDED = ("filled", "canceled", "expired", "rejected")
ZERO = Decimal(0)


@dataclass
class _Fault:
    error: Exception
    times: int
    after_effect: bool


@dataclass
class _Holding:
    quantity: Decimal
    average_price: Decimal


@dataclass
class FakeBroker:
    """One account as ports.Broker describes it; orders rest until the test fills them.

    Attributes:
        cash: USD; moves with every fill and each `move_cash`.
        last_equity: Equity at the last close, USD.
        marks: Prices that equity is valued at; without one, the average cost.
        closes: Those of the last close; without one, the average cost.
        fills_withheld: Fills are kept back from `fills_since`, as they may follow an
            order's filled quantity by a tick or two.
        cancels_pend: A cancel only marks the order pending_cancel; `end` ends it.
        calls: Every call in order, failed ones included.
        submitted: Every order the broker was sent, refused ones included.
        orders: What it accepted, by client_order_id, oldest first.
        illegible: Items of its lists that can't be read, in place of those of their names.
    """

    clock: Clock
    account_number: str = "PA0000000001"
    cash: Decimal = Decimal(100_000)
    last_equity: Decimal = Decimal(100_000)
    trading_blocked: bool = False
    no_shorting: bool = True
    marks: dict[str, Decimal] = field(default_factory=dict)
    closes: dict[str, Decimal] = field(default_factory=dict)
    asset_classes: dict[str, str] = field(default_factory=dict)
    fills_withheld: bool = False
    cancels_pend: bool = False
    calls: list[Call] = field(default_factory=list)
    submitted: list[OrderRequest] = field(default_factory=list)
    orders: dict[str, BrokerOrder] = field(default_factory=dict)
    untradable: set[str] = field(default_factory=set)
    fills: list[BrokerFill] = field(default_factory=list)
    cash_activities: list[BrokerCashActivity] = field(default_factory=list)
    illegible: list[IllegibleItem] = field(default_factory=list)
    _limits: dict[str, Decimal] = field(default_factory=dict)
    _holdings: dict[str, _Holding] = field(default_factory=dict)
    _faults: dict[Call, list[_Fault]] = field(default_factory=dict)

    def account(self) -> BrokerAccount:
        return self._answer("account", self._account)

    def positions(self) -> Listing[BrokerPosition]:
        return self._answer("positions", lambda: self._listing("position", self._positions()))

    def is_tradable(self, symbol: str) -> bool:
        return self._answer("is_tradable", lambda: symbol not in self.untradable)

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        return self._answer("order_by_client_id", lambda: self.orders.get(client_order_id))

    def orders_since(self, since: datetime) -> Listing[BrokerOrder]:
        orders = [order for order in self.orders.values() if order.submitted_at >= since]
        return self._answer("orders_since", lambda: self._listing("order", orders))

    def resting_orders(self) -> Listing[BrokerOrder]:
        orders = [order for order in self.orders.values() if order.status not in ENDED]
        return self._answer("resting_orders", lambda: self._listing("order", orders))

    def submit(
        self, order: OrderRequest, before_sending: Callable[[], None] = send_always
    ) -> BrokerOrder:
        before_sending()
        self.submitted.append(order)
        return self._answer("submit", lambda: self._place(order))

    def cancel(self, broker_order_id: str) -> None:
        self._answer("cancel", lambda: self._cancel(broker_order_id))

    def fills_since(self, since: datetime) -> Listing[BrokerFill]:
        fills = [] if self.fills_withheld else self.fills
        found = [fill for fill in fills if fill.executed_at >= since]
        return self._answer("fills_since", lambda: self._listing("fill", found))

    def cash_activities_since(self, since: datetime) -> Listing[BrokerCashActivity]:
        found = [it for it in self.cash_activities if it.created_at >= since]
        return self._answer("cash_activities_since", lambda: self._listing("cash_activity", found))

    def move_cash(self, kind: str, amount: str, *, symbol: str | None = None) -> None:
        """Book a deposit (CSD), a withdrawal (CSW), a fee (FEE), a dividend (DIV), ..."""
        number = len(self.cash_activities) + 1
        moved = BrokerCashActivity(
            activity_id=f"cash::{number}",
            kind=alpaca_words.cash_kind(kind),
            raw_kind=kind,
            amount=Decimal(amount),
            created_at=self.clock.now(),
            symbol=symbol,
        )
        self.cash_activities.append(moved)
        self.cash += moved.amount

    def charge(self, fee: FeeKind | None, amount: str, *, day: date | None = None) -> None:
        """Book a fee for that trade date, today's by default; None: one nobody here knows."""
        self.move_cash("FEE", str(-Decimal(amount)))
        moved = self.cash_activities.pop()
        self.cash_activities.append(replace(moved, fee=fee, charged_for=day))

    def fail(
        self, call: Call, error: Exception, *, times: int = 1, after_effect: bool = False
    ) -> None:
        """Let the next calls of this kind raise; `after_effect`: only once it was done.

        A reply lost after the order was accepted is
        `fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=True)`.
        """
        self._faults.setdefault(call, []).append(_Fault(error, times, after_effect))

    def recover(self) -> None:
        """Let every call succeed again."""
        self._faults.clear()

    def fill(self, client_order_id: str, price: str, quantity: str | None = None) -> BrokerFill:
        """Execute a live order, in whole unless a quantity is given."""
        order = self.orders[client_order_id]
        left = order.quantity - order.filled_quantity
        done = left if quantity is None else Decimal(quantity)
        if order.status in ENDED or not ZERO < done <= left:
            raise AssertionError(f"{client_order_id} is {order.status} with {left} to fill")
        number = sum(fill.broker_order_id == order.broker_order_id for fill in self.fills) + 1
        fill = BrokerFill(
            fill_id=f"{order.broker_order_id}::{number}",
            broker_order_id=order.broker_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=done,
            price=Decimal(price),
            executed_at=self.clock.now(),
        )
        self.fills.append(fill)
        self._book(order, fill)
        return fill

    def fill_late(self, client_order_id: str, price: str, quantity: str | None = None) -> None:
        """Execute an order that has ended; what is not filled whole keeps its word."""
        word = self.orders[client_order_id].raw_status
        self.say(client_order_id, "new")
        self.fill(client_order_id, price, quantity)
        if self.orders[client_order_id].status != "filled":
            self.say(client_order_id, word)

    def overfill(self, client_order_id: str, price: str) -> None:
        """Execute a live order with one share more than was ordered."""
        ordered = self.orders[client_order_id].quantity
        self._resize(client_order_id, ordered + 1)
        self.fill(client_order_id, price)
        self._resize(client_order_id, ordered)

    def end(self, client_order_id: str, status: str) -> None:
        """End an order by the broker's own will: "canceled", "expired" or "rejected"."""
        self.say(client_order_id, status)

    def say(self, client_order_id: str, word: str) -> None:
        """Call an order by one of Alpaca's words, or by one that nobody knows."""
        self._update(self.orders[client_order_id], word)

    def place_by_hand(
        self,
        name: str,
        symbol: str,
        side: Side,
        quantity: str,
        *,
        order_type: OrderType = "market",
        price: str = "100",
    ) -> None:
        """Let a person place an order, which may sell what is not held; `fill` executes it."""
        order = OrderRequest(name, symbol, side, Decimal(quantity), order_type, Decimal(price))
        self._accept(order)

    def trade_by_hand(
        self, name: str, symbol: str, side: Side, quantity: str, price: str = "100"
    ) -> None:
        """Let a person buy or sell at once, what is not held included."""
        self.place_by_hand(name, symbol, side, quantity)
        self.fill(name, price)

    def hold(self, symbol: str, quantity: str, price: str, asset_class: str = "us_equity") -> None:
        """Give the account a position (negative: a short) that no order of ours opened."""
        self._holdings[symbol] = _Holding(Decimal(quantity), Decimal(price))
        self.asset_classes[symbol] = asset_class

    def split(
        self,
        symbol: str,
        new: str,
        old: str,
        *,
        to: str | None = None,
        resting: RestingOver = "canceled",
    ) -> None:
        """Turn `old` shares into `new` ones, under another symbol if it is given.

        What is over whole shares is taken away; `resting` is what becomes of live orders.
        """
        held = self._holdings.pop(symbol)
        ratio, cost = Decimal(new) / Decimal(old), held.quantity * held.average_price
        left = (held.quantity * Decimal(new) / Decimal(old)).quantize(ZERO, rounding=ROUND_FLOOR)
        if left:
            share = left / (held.quantity * Decimal(new) / Decimal(old))
            self._holdings[to or symbol] = _Holding(left, cost * share / left)
        for order in [it for it in self.orders.values() if it.symbol == symbol]:
            if order.status in ENDED or resting == "left":
                continue
            if resting == "canceled":
                self._update(order, "canceled")
                continue
            stop = None if order.stop_price is None else order.stop_price / ratio
            changes = {"quantity": left, "stop_price": stop, "symbol": to or symbol}
            self._update(order, order.raw_status, **changes)

    def _listing(self, kind: ItemKind, found: list[T]) -> Listing[T]:
        """The items without those that an illegible one stands for."""
        illegible = [it for it in self.illegible if it.kind == kind]
        names = {it.name for it in illegible}
        return Listing([it for it in found if name_of(it) not in names], illegible)

    def _answer(self, call: Call, act: Callable[[], T]) -> T:
        self.calls.append(call)
        fault = next((fault for fault in self._faults.get(call, []) if fault.times), None)
        if fault is None:
            return act()
        fault.times -= 1
        if fault.after_effect:
            act()
        raise fault.error

    def _account(self) -> BrokerAccount:
        equity = self.cash + sum(
            (self._value(symbol, held) for symbol, held in self._holdings.items()), ZERO
        )
        return BrokerAccount(
            account_number=self.account_number,
            raw_status="ACTIVE",
            trading_blocked=self.trading_blocked,
            no_shorting=self.no_shorting,
            cash=self.cash,
            equity=equity,
            last_equity=self.last_equity,
            buying_power=self._buying_power(),
            options_buying_power=self._buying_power(),
            options_trading_level=2,
        )

    def _positions(self) -> list[BrokerPosition]:
        return [
            BrokerPosition(
                symbol=symbol,
                quantity=held.quantity,
                available=held.quantity - self._selling(symbol),
                average_entry_price=held.average_price,
                asset_class=self.asset_classes.get(symbol, "us_equity"),
                price=self.marks.get(symbol, held.average_price),
                close_before=self.closes.get(symbol, held.average_price),
                day_gain=self._value(symbol, held) - self._worth_before(symbol, held),
            )
            for symbol, held in sorted(self._holdings.items())
            if held.quantity
        ]

    def _place(self, request: OrderRequest) -> BrokerOrder:
        if request.client_order_id in self.orders:
            raise BrokerOutcomeUnknown("an order was placed under this id before: look it up")
        self._refuse_what_is_not_covered(request)
        return self._accept(request)

    def _accept(self, request: OrderRequest) -> BrokerOrder:
        now = self.clock.now()
        order = BrokerOrder(
            broker_order_id=str(stable_uuid("fake order", request.client_order_id)),
            client_order_id=request.client_order_id,
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            quantity=request.quantity,
            filled_quantity=ZERO,
            filled_average_price=None,
            status="working",
            raw_status="new",
            submitted_at=now,
            updated_at=now,
            limit_price=request.price if request.order_type == "limit" else None,
            stop_price=request.price if request.order_type == "stop" else None,
        )
        self.orders[order.client_order_id] = order
        self._limits[order.client_order_id] = request.price or ZERO
        return order

    def _refuse_what_is_not_covered(self, request: OrderRequest) -> None:
        held = self._holdings.get(request.symbol, _Holding(ZERO, ZERO))
        available = held.quantity - self._selling(request.symbol)
        cost = request.quantity * (request.price or ZERO) * _multiplier(request.symbol)
        if request.side == "sell" and request.quantity > available:
            raise BrokerRejected(
                f"40310000: insufficient qty available for order (requested:"
                f" {request.quantity}, available: {available})"
            )
        if request.side == "buy" and cost > self._buying_power():
            raise BrokerRejected("40310000: insufficient buying power")

    def _cancel(self, broker_order_id: str) -> None:
        order = next(
            (known for known in self.orders.values() if known.broker_order_id == broker_order_id),
            None,
        )
        if order is None:
            raise BrokerUnavailable("404: order not found")
        if order.status not in ENDED:
            self._update(order, "pending_cancel" if self.cancels_pend else "canceled")

    def _book(self, order: BrokerOrder, fill: BrokerFill) -> None:
        signed = fill.quantity if fill.side == "buy" else -fill.quantity
        held = self._holdings.setdefault(fill.symbol, _Holding(ZERO, ZERO))
        after = held.quantity + signed
        if held.quantity * signed >= 0:
            cost = held.quantity * held.average_price + signed * fill.price
            held.average_price = cost / after
        elif after * signed > 0:
            held.average_price = fill.price
        held.quantity = after
        self.cash -= signed * fill.price * _multiplier(fill.symbol)
        before = order.filled_quantity * (order.filled_average_price or ZERO)
        filled = order.filled_quantity + fill.quantity
        self._update(
            order,
            "filled" if filled == order.quantity else "partially_filled",
            filled_quantity=filled,
            filled_average_price=(before + fill.quantity * fill.price) / filled,
        )

    def _resize(self, client_order_id: str, quantity: Decimal) -> None:
        self.orders[client_order_id] = replace(self.orders[client_order_id], quantity=quantity)

    def _update(self, order: BrokerOrder, word: str, **changes: Any) -> None:
        self.orders[order.client_order_id] = replace(
            order,
            status=alpaca_words.order_status(word),
            raw_status=word,
            updated_at=self.clock.now(),
            **changes,
        )

    def _selling(self, symbol: str) -> Decimal:
        return sum(
            (
                order.quantity - order.filled_quantity
                for order in self.orders.values()
                if order.symbol == symbol and order.side == "sell" and order.status not in ENDED
            ),
            ZERO,
        )

    def _buying_power(self) -> Decimal:
        reserved = sum(
            (
                (order.quantity - order.filled_quantity)
                * self._limits[order.client_order_id]
                * _multiplier(order.symbol)
                for order in self.orders.values()
                if order.side == "buy" and order.status not in ENDED
            ),
            ZERO,
        )
        return max(self.cash - reserved, ZERO)

    def _worth_before(self, symbol: str, held: _Holding) -> Decimal:
        close = self.closes.get(symbol, held.average_price)
        return held.quantity * close * _multiplier(symbol)

    def _value(self, symbol: str, held: _Holding) -> Decimal:
        return held.quantity * self.marks.get(symbol, held.average_price) * _multiplier(symbol)


def name_of(item: object) -> str:
    """What an item of a list is named by when it can't be read."""
    match item:
        case BrokerOrder():
            return item.client_order_id
        case BrokerFill():
            return item.fill_id
        case BrokerCashActivity():
            return item.activity_id
        case BrokerPosition():
            return item.symbol
        case _:
            raise TypeError(f"{item!r} is no item of a broker's list")


def _multiplier(symbol: str) -> int:
    """100 shares a contract; an OCC symbol is longer than any ticker."""
    return 100 if len(symbol) > 10 else 1
