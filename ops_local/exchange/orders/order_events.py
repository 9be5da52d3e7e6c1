"""What happens to single orders without their client: reports of the venue, and faults."""

from datetime import datetime
from decimal import Decimal

from ops_local.exchange.faults.order_faults import DELAY, OrderFault, OrderFaultKind, VanishedOrder
from ops_local.exchange.orders.matching import TradeExecution
from ops_local.exchange.orders.order_ends import OrderEnds
from ops_local.exchange.orders.settlement import Settlement
from ops_local.exchange.records import ExchangeOrder
from ops_local.exchange.refusals import unprocessable
from ops_local.exchange.storage.store import Store
from ops_local.exchange.valuation import Valuation
from ops_local.exchange.words import EndStatus


class OrderEvents:
    """Runs in the caller's transaction."""

    def __init__(
        self, store: Store, valuation: Valuation, settlement: Settlement, ends: OrderEnds
    ) -> None:
        self._store = store
        self._valuation = valuation
        self._settlement = settlement
        self._ends = ends

    def mark(self, order: ExchangeOrder, kinds: set[OrderFaultKind], now: datetime) -> None:
        """Give a new order its faults."""
        for kind in sorted(kinds):
            due_at = now + DELAY if kind == "vanishes" else None
            self._store.save(OrderFault(order.order_id, kind, due_at))

    def end(self, order: ExchangeOrder, status: EndStatus, at: datetime) -> ExchangeOrder:
        """End a live order that was not filled."""
        return self._ends.end(order, status, at)

    def fill(
        self, order: ExchangeOrder, qty: int, price: Decimal | None, now: datetime
    ) -> ExchangeOrder:
        """Report an execution, whatever the order's status and quantity.

        Args:
            price: None: the order's own price, or else the market's.

        Raises:
            ApiRefusal: the account does not hold what is to be sold, or no price is known.
        """
        held = self._store.holding(order.account_number, order.symbol)
        if order.side == "sell" and (held is None or held.qty < qty):
            raise unprocessable(f"the account does not hold {qty} {order.symbol}")
        price = price or order.limit_price or order.stop_price
        price = price or self._valuation.known_price(order.symbol, now)
        if price is None:
            raise unprocessable(f"no price of {order.symbol} is known")
        return self._settlement.book(order, TradeExecution(qty, price), now)

    def forget(self, order: ExchangeOrder, now: datetime) -> None:
        """Lose an order: the exchange answers 404 for it from now on.

        Raises:
            ApiRefusal: it has fills, which can't be lost.
        """
        if order.filled_qty:
            raise unprocessable("an order with fills can't vanish")
        self._store.drop_order(order)
        self._store.save(
            VanishedOrder(
                order.order_id, order.account_number, order.number, order.client_order_id, now
            )
        )

    def run_due(self, until: datetime) -> None:
        """Carry out the faults that are due, each at its own time."""
        for fault in self._store.due_order_faults(until):
            order = self._store.order_of_any_account(fault.order_id)
            if order is not None and fault.due_at is not None:
                self._carry_out(fault, order, fault.due_at)
            self._store.drop_order_fault(fault)

    def _carry_out(self, fault: OrderFault, order: ExchangeOrder, at: datetime) -> None:
        if fault.kind == "vanishes" and order.live and not order.filled_qty:
            self.forget(order, at)
        if fault.kind == "late_fill":
            qty = min(order.remaining, self._most(order))
            if qty:
                self.fill(order, qty, None, at)

    def _most(self, order: ExchangeOrder) -> int:
        """The shares that can be filled: a sale needs them."""
        held = self._store.holding(order.account_number, order.symbol)
        return order.qty if order.side == "buy" else held.qty if held else 0
