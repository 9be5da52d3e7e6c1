"""Fills an order against the current quote and settles it: fill, cash and shares."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from ops_local.exchange.matching import TradeExecution, execution, is_triggered
from ops_local.exchange.records import ExchangeFill, ExchangeOrder, Holding
from ops_local.exchange.sessions import coming_session
from ops_local.exchange.storage.store import Store
from ops_local.exchange.tape import Tape
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.market import minute_of

# More places than a price has, so that average costs over partial sales still add up.
_COST_PLACES = Decimal("0.000000001")


class Settlement:
    """Writes fills, cash and holdings within the caller's transaction."""

    def __init__(self, store: Store, tape: Tape) -> None:
        self._store = store
        self._tape = tape

    def try_fill(self, order: ExchangeOrder, now: datetime) -> ExchangeOrder:
        """Fill what the current quote allows; return the order as it is then."""
        quote = self._tape.tradable_quote(order.symbol, now, session := coming_session(now))
        if quote is None or not session.is_open(now) or not is_triggered(order, quote):
            return order
        if order.stop_price is not None and order.triggered_at is None:
            order = replace(order, triggered_at=now, updated_at=now)
            self._store.save(order)
        taken = self._store.traded_since(
            order.account_number, order.symbol, order.side, minute_of(now)
        )
        volume = self._tape.volume_before(order.symbol, now)
        trade = execution(order, quote, volume=volume, taken=taken)
        return order if trade is None else self._book(order, trade, now)

    def _book(self, order: ExchangeOrder, trade: TradeExecution, now: datetime) -> ExchangeOrder:
        filled_qty = order.filled_qty + trade.qty
        complete = filled_qty == order.qty
        after = replace(
            order,
            status="filled" if complete else "partially_filled",
            filled_qty=filled_qty,
            filled_value=order.filled_value + trade.qty * trade.price,
            filled_at=now if complete else None,
            updated_at=now,
        )
        self._store.save(after)
        self._store.save(self._fill(after, trade, now))
        self._move_money(order, trade)
        self._move_shares(order, trade, now)
        return after

    def _fill(self, order: ExchangeOrder, trade: TradeExecution, now: datetime) -> ExchangeFill:
        number = self._store.fill_count(order.order_id) + 1
        return ExchangeFill(
            activity_id=activity_id(order.order_id, number, now),
            order_id=order.order_id,
            account_number=order.account_number,
            number=number,
            symbol=order.symbol,
            side=order.side,
            qty=trade.qty,
            price=trade.price,
            cum_qty=order.filled_qty,
            leaves_qty=order.remaining,
            order_status="filled" if order.remaining == 0 else "partially_filled",
            executed_at=now,
        )

    def _move_money(self, order: ExchangeOrder, trade: TradeExecution) -> None:
        value = trade.qty * trade.price
        ledger = self._store.ledger(order.account_number)
        change = -value if order.side == "buy" else value
        self._store.save(replace(ledger, cash=ledger.cash + change))

    def _move_shares(self, order: ExchangeOrder, trade: TradeExecution, now: datetime) -> None:
        held = self._store.holding(order.account_number, order.symbol)
        if order.side == "buy":
            self._store.save(_added(held, order, trade, now))
            return
        if held is None or held.qty < trade.qty:
            raise AssertionError(
                f"order {order.order_id} sells shares that the account does not hold"
            )
        if held.qty == trade.qty:
            self._store.drop_holding(order.account_number, order.symbol)
            return
        self._store.save(_reduced(held, trade.qty))


def activity_id(order_id: str, number: int, now: datetime) -> str:
    """An id in Alpaca's form: it starts with the time, so that ids sort by it."""
    milliseconds = now.microsecond // 1000
    return f"{now:%Y%m%d%H%M%S}{milliseconds:03d}::{stable_uuid('fill', order_id, number)}"


def _added(
    held: Holding | None, order: ExchangeOrder, trade: TradeExecution, now: datetime
) -> Holding:
    value = trade.qty * trade.price
    if held is None:
        return Holding(order.account_number, order.symbol, trade.qty, value, now)
    return replace(held, qty=held.qty + trade.qty, cost=held.cost + value)


def _reduced(held: Holding, qty: int) -> Holding:
    """Sold shares are taken out at their average cost."""
    left = held.qty - qty
    return replace(held, qty=left, cost=(held.cost * left / held.qty).quantize(_COST_PLACES))
