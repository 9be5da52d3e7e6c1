"""When an order trades, at what price, and how much of it per minute. Pure."""

from dataclasses import dataclass, replace
from decimal import Decimal

from ops_local.exchange.records import ExchangeOrder
from ops_local.exchange.words import OrderType, Side
from ops_pipeline.domain.market import Quote

# A taker gets the displayed size, or a tenth of the last minute's volume if that is more.
VOLUME_SHARE = 10

_STOPS: tuple[OrderType, ...] = ("stop", "stop_limit", "trailing_stop")
_CENT, _HUNDREDTH_CENT = Decimal("0.01"), Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class TradeExecution:
    """Whole shares at USD a share."""

    qty: int
    price: Decimal


def is_triggered(order: ExchangeOrder, quote: Quote) -> bool:
    """Whether the market has reached a stop order's price; other types need no trigger."""
    if order.order_type not in _STOPS or order.triggered_at is not None:
        return True
    if order.stop_price is None:  # a trailing stop that has seen no quote yet
        return False
    if order.side == "sell":
        return quote.bid <= order.stop_price
    return quote.ask >= order.stop_price


def far_side(side: Side, quote: Quote) -> tuple[Decimal, int]:
    """The price a taker on this side pays or receives, and the size displayed there."""
    return (quote.ask, quote.ask_size) if side == "buy" else (quote.bid, quote.bid_size)


def execution(
    order: ExchangeOrder, quote: Quote, *, volume: int, taken: int
) -> TradeExecution | None:
    """The part of a triggered order that fills against this quote now; None when nothing does.

    Args:
        quote: A usable quote.
        volume: Shares traded in the previous minute.
        taken: Shares that this account has already had filled on this side in this minute.
    """
    price, displayed = far_side(order.side, quote)
    if order.limit_price is not None:
        worse = price > order.limit_price if order.side == "buy" else price < order.limit_price
        if worse:
            return None
    room = max(displayed, volume // VOLUME_SHARE) - taken
    qty = min(order.remaining, room)
    if qty <= 0 or (order.time_in_force == "fok" and qty < order.remaining):
        return None
    return TradeExecution(qty, price)


def trailed(order: ExchangeOrder, quote: Quote) -> ExchangeOrder:
    """A trailing stop with its stop moved after the market; other orders unchanged.

    The stop never moves away from the market, and not at all once it has triggered.
    """
    if order.order_type != "trailing_stop" or order.triggered_at is not None:
        return order
    sells = order.side == "sell"
    seen = quote.bid if sells else quote.ask
    best = seen if order.hwm is None else (max if sells else min)(order.hwm, seen)
    distance = order.trail_price or best * (order.trail_percent or Decimal(0)) / 100
    stop = best - distance if sells else best + distance
    return replace(
        order, hwm=best, stop_price=stop.quantize(_CENT if stop >= 1 else _HUNDREDTH_CENT)
    )
