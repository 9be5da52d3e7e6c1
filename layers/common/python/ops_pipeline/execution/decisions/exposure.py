"""What an account at its broker holds and may come to hold, in USD.

Whoever placed an order, what may still fill counts: a buy at its limit, to cover a short too, and
of sales what exceeds the shares held, since it opens a short.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from ops_pipeline.domain.broker import BrokerOrder, BrokerPosition
from ops_pipeline.domain.orders import may_still_fill
from ops_pipeline.domain.trading_terms import multiplier_of

_NONE = Decimal(0)


def cost_of(held: BrokerPosition) -> Decimal:
    """The position's cost, or a short's proceeds, USD; a contract is for 100 shares."""
    return abs(held.quantity) * held.average_entry_price * multiplier_of(held.symbol)


def costs_of_resting_buys(orders: Iterable[BrokerOrder]) -> dict[str, Decimal | None]:
    """What buys that may still fill may cost by symbol, USD; None where one has no price."""
    costs: dict[str, Decimal | None] = {}
    for order in orders:
        if order.side == "buy" and may_still_fill(order):
            known, cost = costs.get(order.symbol, _NONE), _cost_to_fill(order)
            costs[order.symbol] = None if known is None or cost is None else known + cost
    return costs


def costs_of_short_sales(
    orders: Iterable[BrokerOrder], held: Mapping[str, Decimal]
) -> dict[str, Decimal | None]:
    """What resting sales may sell short by symbol, USD; None where such a sale has no price.

    Which of a symbol's sales sell what is held is not known: the dearest ones open the short.

    Args:
        held: Quantity by symbol, below 0 for a short.
    """
    sales: defaultdict[str, list[BrokerOrder]] = defaultdict(list)
    for order in orders:
        if order.side == "sell" and may_still_fill(order):
            sales[order.symbol].append(order)
    costs = {
        symbol: _cost_of_short(resting, max(held.get(symbol, _NONE), _NONE))
        for symbol, resting in sales.items()
    }
    return {symbol: cost for symbol, cost in costs.items() if cost != 0}


def _cost_of_short(sales: Sequence[BrokerOrder], held: Decimal) -> Decimal | None:
    """What they may sell beyond the shares held, USD; an order in dollars counts whole."""
    in_shares = [order for order in sales if order.notional is None]
    cost = sum((order.notional for order in sales if order.notional is not None), _NONE)
    short = sum((order.quantity - order.filled_quantity for order in in_shares), _NONE) - held
    priced = [(_sold_at(order), order) for order in in_shares]
    for price, order in sorted(priced, key=lambda each: (each[0] is not None, -(each[0] or 0))):
        part = min(order.quantity - order.filled_quantity, short)
        if part <= 0:
            return cost
        if price is None:
            return None
        cost += part * price * multiplier_of(order.symbol)
        short -= part
    return cost


def _sold_at(order: BrokerOrder) -> Decimal | None:
    """About what a resting sale fetches a share; a stop-limit order the higher of its prices."""
    return max((it for it in (order.limit_price, order.stop_price) if it is not None), default=None)


def _cost_to_fill(order: BrokerOrder) -> Decimal | None:
    if order.notional is not None:
        return order.notional
    if order.limit_price is None:
        return None
    left = order.quantity - order.filled_quantity
    return left * order.limit_price * multiplier_of(order.symbol)
