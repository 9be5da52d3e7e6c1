"""Fills an order against the current quote and settles it: fill, cash and shares."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from ops_local.exchange.market.sessions import coming_session
from ops_local.exchange.market.tape import Tape
from ops_local.exchange.orders.matching import TradeExecution, execution, is_triggered, trailed
from ops_local.exchange.orders.order_ends import OrderEnds
from ops_local.exchange.records import ExchangeFill, ExchangeOrder, Holding
from ops_local.exchange.storage.store import Store
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.market import MINUTE, Quote, Session, minute_of

# More places than a price has, so that average costs over partial sales still add up.
_COST_PLACES = Decimal("0.000000001")


class Settlement:
    """Writes fills, cash and holdings within the caller's transaction."""

    def __init__(self, store: Store, tape: Tape, ends: OrderEnds) -> None:
        self._store = store
        self._tape = tape
        self._ends = ends

    def try_fill(self, order: ExchangeOrder, now: datetime) -> ExchangeOrder:
        """Fill what the current quote allows; return the order as it is then."""
        session = coming_session(now)
        if not session.is_open(now) or order.time_in_force == "cls":
            return order
        quote = self._tradable_quote(order.symbol, now, session)
        if quote is not None:
            order = self._fill_against(order, quote, now)
        at_once = order.time_in_force in ("ioc", "fok")
        after_opening = order.time_in_force == "opg" and now >= session.opens_at + MINUTE
        if order.live and (at_once or after_opening):
            return self._ends.end(order, "canceled", now)
        return order

    def fill_at_close(self, order: ExchangeOrder, session: Session) -> ExchangeOrder:
        """Fill an order for the closing auction, and cancel the rest."""
        at = session.closes_at
        quote = self._tradable_quote(order.symbol, at, session)
        if quote is not None:
            order = self._fill_against(order, quote, at)
        return self._ends.end(order, "canceled", at) if order.live else order

    def book(self, order: ExchangeOrder, trade: TradeExecution, now: datetime) -> ExchangeOrder:
        """Settle one execution; an order that has ended keeps its status."""
        filled_qty = order.filled_qty + trade.qty
        complete = filled_qty >= order.qty
        after = replace(
            order,
            filled_qty=filled_qty,
            filled_value=order.filled_value + trade.qty * trade.price,
            filled_at=now if complete else None,
            updated_at=now,
        )
        if order.live:
            after = replace(after, status="filled" if complete else "partially_filled")
        self._store.save(after)
        self._store.save(self._fill(after, trade, now))
        self._move_cash(order, trade)
        self._move_shares(order, trade, now)
        return after

    def _tradable_quote(self, symbol: str, now: datetime, session: Session) -> Quote | None:
        if not self._store.asset_condition(symbol).trades:
            return None
        return self._tape.tradable_quote(symbol, now, session)

    def _fill_against(self, order: ExchangeOrder, quote: Quote, now: datetime) -> ExchangeOrder:
        after = trailed(order, quote)
        if not is_triggered(after, quote):
            if after != order:
                self._store.save(after)
            return after
        if after.stop_price is not None and after.triggered_at is None:
            after = replace(after, triggered_at=now, updated_at=now)
            self._store.save(after)
        taken = self._store.traded_since(
            after.account_number, after.symbol, after.side, minute_of(now)
        )
        volume = self._tape.volume_before(after.symbol, now)
        trade = execution(after, quote, volume=volume, taken=taken)
        if trade is None:
            return after
        held = self._held(after)
        if after.side == "sell" and held < trade.qty:
            return self._sell_what_is_held(after, trade.price, held, now)
        return self.book(after, self._with_fault(after, trade), now)

    def _held(self, order: ExchangeOrder) -> int:
        held = self._store.holding(order.account_number, order.symbol)
        return 0 if held is None else held.qty

    def _sell_what_is_held(
        self, order: ExchangeOrder, price: Decimal, held: int, now: datetime
    ) -> ExchangeOrder:
        """Sell the shares that a late fill of another order left, and cancel the rest."""
        if held:
            order = self.book(order, TradeExecution(held, price), now)
        return self._ends.end(order, "canceled", now) if order.live else order

    def _with_fault(self, order: ExchangeOrder, trade: TradeExecution) -> TradeExecution:
        """One share more in the last fill of an order that overfills.

        A sale overfills only where the account holds a further share: nothing is sold short.
        """
        kinds = [fault.kind for fault in self._store.order_faults(order.order_id)]
        if "overfill" not in kinds or trade.qty < order.remaining:
            return trade
        held = self._store.holding(order.account_number, order.symbol)
        if order.side == "sell" and (held is None or held.qty <= trade.qty):
            return trade
        return TradeExecution(trade.qty + 1, trade.price)

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

    def _move_cash(self, order: ExchangeOrder, trade: TradeExecution) -> None:
        value = trade.qty * trade.price
        ledger = self._store.ledger(order.account_number)
        change = -value if order.side == "buy" else value
        self._store.save(replace(ledger, cash=ledger.cash + change))

    def _move_shares(self, order: ExchangeOrder, trade: TradeExecution, now: datetime) -> None:
        held = self._store.holding(order.account_number, order.symbol)
        if order.side == "buy":
            self._store.save(added(held, order.account_number, order.symbol, trade, now))
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


def added(
    held: Holding | None, account_number: str, symbol: str, trade: TradeExecution, now: datetime
) -> Holding:
    """The holding after shares came in."""
    value = trade.qty * trade.price
    if held is None:
        return Holding(account_number, symbol, trade.qty, value, now)
    return replace(held, qty=held.qty + trade.qty, cost=held.cost + value)


def _reduced(held: Holding, qty: int) -> Holding:
    """Sold shares are taken out at their average cost."""
    left = held.qty - qty
    return replace(held, qty=left, cost=(held.cost * left / held.qty).quantize(_COST_PLACES))
