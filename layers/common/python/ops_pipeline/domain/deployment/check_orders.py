"""The order that `ops check --order` places: one share far below the market, cancelled at once.

Its id says what it is, and no row of `orders` stands for it: while it has filled nothing, neither
the guard nor the reconciler looks at it. Once it filled it is as an order placed by hand.
"""

import re
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal

from ops_pipeline.domain.broker import BrokerOrder, OrderRequest
from ops_pipeline.domain.orders import price_step

QUANTITY = Decimal(1)
# Beyond the widest band (20 %) within which the exchanges let a stock trade in a session.
_SHARE_OF_PRICE = Decimal("0.6")
_AFTER_THE_ACCOUNT = re.compile(r".+-\d{8}T\d{6}-check", re.ASCII)


def check_order_id(*, deployment: str, account: str, symbol: str, at: datetime) -> str:
    """The id of a check order, by the second; `orders.client_order_id` never makes such a one."""
    second = at.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    return f"{deployment}-{account}-{symbol}-{second}-check"


def is_check_order_id(text: str, *, deployment: str, account: str) -> bool:
    """Whether `check_order_id` made it for this account."""
    prefix = f"{deployment}-{account}-"
    rest = text.removeprefix(prefix)
    return text.startswith(prefix) and _AFTER_THE_ACCOUNT.fullmatch(rest) is not None


def is_check_order(found: BrokerOrder, *, deployment: str, account: str) -> bool:
    """Whether an order at the broker is left alone: by its id, and because it did nothing yet."""
    return (
        is_check_order_id(found.client_order_id, deployment=deployment, account=account)
        and found.side == "buy"
        and found.quantity == QUANTITY
        and found.filled_quantity == 0
    )


def far_below(price: Decimal) -> Decimal:
    """A limit that cannot fill while the market is anywhere near this price, USD a share.

    Args:
        price: The lowest price that is known of the symbol, > 0.

    Raises:
        ValueError: the price is so low that no step is left.
    """
    step = price_step(price * _SHARE_OF_PRICE)
    limit = (price * _SHARE_OF_PRICE / step).to_integral_value(rounding=ROUND_FLOOR) * step
    if limit <= 0:
        raise ValueError(f"{price} is too low a price to bid far below it")
    return limit


def check_order(client_order_id: str, symbol: str, limit: Decimal) -> OrderRequest:
    """A limit order for one share that ends with the day."""
    return OrderRequest(client_order_id, symbol, "buy", QUANTITY, "limit", limit, "day")


def other_than_sent(sent: OrderRequest, found: BrokerOrder) -> list[str]:
    """In what the broker's order differs from the one that was sent."""
    pairs = {
        "symbol": (sent.symbol, found.symbol),
        "side": (sent.side, found.side),
        "quantity": (sent.quantity, found.quantity),
        "type": (sent.order_type, found.order_type),
        "limit": (sent.price, found.limit_price),
        "filled": (Decimal(0), found.filled_quantity),
    }
    differing = {name: both for name, both in pairs.items() if both[0] != both[1]}
    return [f"{name}: {ours} sent, {its} there" for name, (ours, its) in differing.items()]
