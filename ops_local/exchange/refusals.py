"""Refusals with Alpaca's HTTP statuses, codes and messages.

`facts` are the further fields that Alpaca puts beside code and message.
"""

from collections.abc import Sequence
from decimal import Decimal

BAD_FORMAT = 40010000
BAD_PARAMETER = 40010001
NOT_AUTHORIZED = 40110000
FORBIDDEN = 40310000
NOT_FOUND = 40410000
UNPROCESSABLE = 42210000


class ApiRefusal(Exception):
    """A request that the exchange refuses; nothing of it is stored.

    Args:
        code: None: the market data API gives none.
        retry_after_s: What the header Retry-After says; None: nothing.
    """

    def __init__(
        self,
        status: int,
        code: int | None,
        message: str,
        *,
        retry_after_s: int | None = None,
        **facts: object,
    ) -> None:
        super().__init__(message)
        self.status = status
        known = {} if code is None else {"code": code}
        self.body: dict[str, object] = {**known, "message": message, **facts}
        self.headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}


def unauthorized() -> ApiRefusal:
    return ApiRefusal(401, NOT_AUTHORIZED, "request is not authorized")


def forbidden() -> ApiRefusal:
    return ApiRefusal(403, NOT_AUTHORIZED, "not for this host or origin")


def bad_json() -> ApiRefusal:
    return ApiRefusal(400, BAD_FORMAT, "request body format is invalid")


def bad_query(message: str) -> ApiRefusal:
    return ApiRefusal(400, BAD_FORMAT, message)


def bad_parameter(message: str) -> ApiRefusal:
    return ApiRefusal(422, BAD_PARAMETER, message)


def unprocessable(message: str) -> ApiRefusal:
    return ApiRefusal(422, UNPROCESSABLE, message)


def not_authorized_to_trade() -> ApiRefusal:
    return ApiRefusal(403, FORBIDDEN, "account is not authorized to trade")


def not_subscribed(what: str) -> ApiRefusal:
    """Of the market data API: the account's plan has no such data."""
    return ApiRefusal(403, None, f"subscription does not permit querying {what}")


def suspended_by_user() -> ApiRefusal:
    return ApiRefusal(403, FORBIDDEN, "new orders are rejected by user request")


def not_found(message: str) -> ApiRefusal:
    return ApiRefusal(404, NOT_FOUND, message)


def insufficient_buying_power(available: Decimal, cost: Decimal) -> ApiRefusal:
    return ApiRefusal(
        403,
        FORBIDDEN,
        "insufficient buying power",
        buying_power=f"{available:f}",
        cost_basis=f"{cost:f}",
    )


def insufficient_qty(
    symbol: str, *, requested: int, existing: int, held: int, related: Sequence[str]
) -> ApiRefusal:
    available = existing - held
    return ApiRefusal(
        403,
        FORBIDDEN,
        f"insufficient qty available for order (requested: {requested}, available: {available})",
        available=str(available),
        existing_qty=str(existing),
        held_for_orders=str(held),
        related_orders=list(related),
        symbol=symbol,
    )


def wash_trade(existing_order_id: str, existing_type: str) -> ApiRefusal:
    kind = "limit" if existing_type == "limit" else "market/stop"
    return ApiRefusal(
        403,
        FORBIDDEN,
        "potential wash trade detected. use complex orders",
        existing_order_id=existing_order_id,
        reject_reason=f"opposite side {kind} order exists",
    )
