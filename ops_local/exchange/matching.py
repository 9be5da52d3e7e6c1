"""When an order trades, at what price, and how much of it per minute. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from ops_local.exchange.records import ExchangeOrder
from ops_pipeline.domain.broker import Side
from ops_pipeline.domain.market import Quote

# A taker gets the displayed size, or a tenth of the last minute's volume if that is more.
VOLUME_SHARE = 10


@dataclass(frozen=True, slots=True)
class TradeExecution:
    """Whole shares at USD a share."""

    qty: int
    price: Decimal


def is_triggered(order: ExchangeOrder, quote: Quote) -> bool:
    """Whether the market has reached a stop order's price; other types need no trigger."""
    if order.stop_price is None or order.triggered_at is not None:
        return True
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
    return TradeExecution(qty, price) if qty > 0 else None
