"""What the broker tells and cannot be booked yet: it is kept as it came."""

import json
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Literal

from ops_pipeline.domain.broker import BrokerFill, BrokerOrder, Side
from ops_pipeline.domain.legible import IllegibleItem, ItemKind, legible
from ops_pipeline.domain.orders import Order

# An "order_report" is what the broker says of an order of ours.
FactKind = ItemKind | Literal["order_report"]

_LONGEST_CONTENT = 2000
_NONE = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbookedFact:
    """One thing that the broker told of an account.

    Attributes:
        broker_id: The broker's id of it, or what names it: an order's client_order_id.
        reason: Why it is not booked, in one line.
        content: What was told as JSON, capped, without credentials and account numbers.
    """

    kind: FactKind
    broker_id: str
    symbol: str | None
    reason: str
    content: str

    @property
    def subject(self) -> str:
        """What an alert is about; an illegible item's has the same."""
        return f"{self.kind} {self.broker_id}"


@dataclass(frozen=True, slots=True)
class FilledOrder:
    """The order that a fill names, as far as a fill may contradict it."""

    client_order_id: str
    symbol: str
    side: Side


def why_not_of(fill: BrokerFill, symbol: str, side: Side) -> str | None:
    """Why a fill is none of an order in that symbol and on that side; None if it may be."""
    if (fill.symbol, fill.side) != (symbol, side):
        return f"it is to {side} {symbol}"
    return f"the price {fill.price} is none" if fill.price <= 0 else None


def unbooked_fill(fill: BrokerFill, order: FilledOrder | None) -> UnbookedFact | None:
    """The fill as a fact that can't be booked; None where it can, or will be with its order.

    Args:
        order: The order that it names; None if there is no such order.
    """
    reason = f"no order {fill.broker_order_id} is known"
    if order is not None:
        why = why_not_of(fill, order.symbol, order.side)
        if why is None:
            return None
        reason = f"not booked on its order {order.client_order_id}: {why}"
    return UnbookedFact(
        kind="fill",
        broker_id=fill.fill_id,
        symbol=fill.symbol,
        reason=reason,
        content=_content(fill),
    )


def unbooked_report(order: Order, found: BrokerOrder, reason: str) -> UnbookedFact:
    """What the broker says of an order of ours, and why that is not booked."""
    return UnbookedFact(
        kind="order_report",
        broker_id=order.client_order_id,
        symbol=order.symbol,
        reason=reason,
        content=_content(found),
    )


def unbooked_item(item: IllegibleItem) -> UnbookedFact:
    """An item of an account's list that could not be read."""
    return UnbookedFact(
        kind=item.kind,
        broker_id=item.name,
        symbol=item.symbol,
        reason=item.reason,
        content=item.content,
    )


def _content(told: BrokerFill | BrokerOrder) -> str:
    return legible(json.dumps(asdict(told), default=str, sort_keys=True))[:_LONGEST_CONTENT]
