"""Tells what an account held before its first run from what our own orders account for.

Decided by the broker's word alone, so that an empty ledger says nothing: after a lost database
our positions are known by the ids of our orders, and by the stops of ours that rest.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from ops_pipeline.domain.broker import BrokerOrder, BrokerPosition
from ops_pipeline.domain.corporate.shares_shown import cost_the_same
from ops_pipeline.domain.legible import IllegibleItem, Listing
from ops_pipeline.domain.orders import OwnOrderId, may_still_fill

_NONE = Decimal(0)
# The broker's lists of orders and positions follow each other within this time.
_LISTS_LAG_FOR = timedelta(minutes=10)

ReadOwnId = Callable[[str], OwnOrderId | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstReading:
    """One account at its broker, read in this order from `at` on.

    Attributes:
        orders: Of any age that a position of ours may have.
        held: What our ledger holds by symbol.
        moving: Symbols in which an order of ours may fill, or did just now, by our ledger.
    """

    at: datetime
    positions: Listing[BrokerPosition]
    orders: Listing[BrokerOrder]
    positions_again: Listing[BrokerPosition]
    held: Mapping[str, Decimal]
    moving: Collection[str]


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What was there before, by symbol.

    Attributes:
        external: Shares of each position that are none of ours.
        undecided: Symbols of which it is not known yet whose the shares are.
        complete: Whether everything could be read and decided: only then it is over.
    """

    at: datetime
    external: Mapping[BrokerPosition, Decimal] = field(default_factory=dict)
    undecided: frozenset[str] = frozenset()
    complete: bool = True


def look(reading: FirstReading, own_id: ReadOwnId) -> FirstLook:
    """Divide each position into ours and what was there before.

    Ours is the most of what our ledger holds, what our listed orders bought and did not sell,
    and what a sale of ours that rests would sell.
    """
    own = [order for order in reading.orders if own_id(order.client_order_id) is not None]
    ours = _ours(own)
    again = {it.symbol: it.quantity for it in reading.positions_again}
    external, undecided = {}, set()
    for position in reading.positions:
        symbol = position.symbol
        mine = max(ours.get(symbol, _NONE), reading.held.get(symbol, _NONE))
        rest = position.quantity - mine
        if rest == 0 or (mine > 0 and rest < 0) or _is_split(own, position):
            # All of it is ours, less is there than ours, or a split made more of ours: for the
            # reconciler to settle.
            continue
        if (
            again.get(symbol) != position.quantity
            or symbol in reading.moving
            or _moves(own, symbol, reading.at)
            or _part_bought(reading.orders, symbol, own_id)
            or _may_be_ours(reading.orders.illegible, symbol, own_id)
        ):
            undecided.add(symbol)
        else:
            external[position] = rest
    odd = (*reading.positions.illegible, *reading.positions_again.illegible)
    known = {position.symbol for position in reading.positions}
    undecided |= again.keys() - known
    return FirstLook(reading.at, external, frozenset(undecided), not odd and not undecided)


def _ours(own: Sequence[BrokerOrder]) -> dict[str, Decimal]:
    """By symbol: what our orders bought and did not sell, or more where a sale rests for it."""
    bought: defaultdict[str, Decimal] = defaultdict(Decimal)
    selling: defaultdict[str, Decimal] = defaultdict(Decimal)
    for order in own:
        bought[order.symbol] += order.filled_quantity * (1 if order.side == "buy" else -1)
        if order.side == "sell" and may_still_fill(order):
            selling[order.symbol] += order.quantity - order.filled_quantity
    return {symbol: max(net, selling[symbol], _NONE) for symbol, net in bought.items()}


def _is_split(own: Iterable[BrokerOrder], position: BrokerPosition) -> bool:
    """Whether the shares cost in all what those cost that our orders bought and did not sell."""
    ours = [it for it in own if it.symbol == position.symbol and it.filled_quantity > 0]
    buys = [it for it in ours if it.side == "buy"]
    bought = sum((it.filled_quantity for it in buys), _NONE)
    if not bought:
        return False
    net = bought - sum((it.filled_quantity for it in ours if it.side == "sell"), _NONE)
    value = sum((it.filled_quantity * (it.filled_average_price or _NONE) for it in buys), _NONE)
    return value > 0 and cost_the_same(
        net, value / bought, position.quantity, position.average_entry_price
    )


def _moves(own: Iterable[BrokerOrder], symbol: str, at: datetime) -> bool:
    """Whether the list of positions may not show yet what an order of ours did, or may do more."""
    since = at - _LISTS_LAG_FOR
    return any(
        order.symbol == symbol
        and (
            (order.filled_quantity > 0 and order.updated_at >= since)
            or (order.side == "buy" and may_still_fill(order))
        )
        for order in own
    )


def _part_bought(orders: Iterable[BrokerOrder], symbol: str, own_id: ReadOwnId) -> bool:
    """Whether somebody's buy has filled in part: the rest will be booked together with that."""
    return any(
        order.symbol == symbol
        and order.side == "buy"
        and order.filled_quantity > 0
        and may_still_fill(order)
        and own_id(order.client_order_id) is None
        for order in orders
    )


def _may_be_ours(odd: Iterable[IllegibleItem], symbol: str, own_id: ReadOwnId) -> bool:
    """Whether an order that can't be read may be one of ours in the symbol."""
    return any(
        it.may_be_of(symbol)
        and (it.client_order_id is None or own_id(it.client_order_id) is not None)
        for it in odd
    )
