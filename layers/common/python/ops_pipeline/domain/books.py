"""Our books beside the broker's: what differs, in one sentence each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ops_pipeline.domain.broker import BrokerOrder

KINDS = ("position_quantity_differs", "position_unknown_to_us", "order_unknown_to_us")


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement; quantities in shares or contracts."""

    kind: str
    subject: str
    message: str
    ours: str
    broker: str


def compare(
    ours: Mapping[str, Decimal], broker: Mapping[str, Decimal], strangers: Sequence[BrokerOrder]
) -> list[Difference]:
    """Differences between two sets of holdings, by symbol; and orders we never placed.

    Args:
        ours: Quantity by symbol in our open positions.
        broker: Quantity by symbol as the broker reports it, negative for a short.
        strangers: The broker's orders that no row of ours names.
    """
    found = []
    for symbol in sorted(set(ours) | set(broker)):
        mine, theirs = ours.get(symbol, Decimal(0)), broker.get(symbol, Decimal(0))
        if mine != theirs:
            kind = "position_quantity_differs" if symbol in ours else "position_unknown_to_us"
            message = f"{symbol}: we hold {mine}, the broker says {theirs}"
            found.append(Difference(kind, symbol, message, str(mine), str(theirs)))
    for order in sorted(strangers, key=lambda order: order.client_order_id):
        message = f"The broker has order {order.client_order_id} ({order.symbol}), we do not"
        found.append(
            Difference("order_unknown_to_us", order.client_order_id, message, "none", order.status)
        )
    return found
