"""The kinds of fault, the requests that each applies to and what the client sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeGuard

from ops_local.exchange.faults.order_faults import OrderFaultKind

ResponseFaultKind = Literal[
    "not_heard",
    "reply_lost",
    "too_many_requests",
    "server_error",
    "malformed",
    "truncated",
    "slow",
    "halted_stock",
    "not_listed",
    "clock_skew",
    "unknown_status",
    "wrong_quantity",
    "empty_order_type",
    "illegible_order",
    "multi_leg_order",
    "no_average_price",
    "duplicate_fills",
    "late_fills",
    "unordered_fills",
    "illegible_activity",
    "no_positions",
    "illegible_position",
    "no_buying_power",
    "wrong_account",
    "stale_quote",
    "frozen_quote",
    "no_quote",
    "wide_quote",
    "crossed_quote",
    "zero_quote",
    "illegible_quote",
    "illegible_bar",
    "invalid_symbol",
    "no_subscription",
]
FaultKind = ResponseFaultKind | OrderFaultKind

_ANY = r".*"
_PLACE = r"POST /v2/orders"
_ORDERS = r"GET /v2/orders.*"
_ORDER_ANSWERS = r"(GET|POST) /v2/orders.*"
_ORDER_LIST = r"GET /v2/orders"
_FILLS = r"GET /v2/account/activities.*"
_POSITIONS = r"GET /v2/positions"
_ACCOUNT = r"GET /v2/account"
_QUOTES = r"GET /v2/stocks/quotes/latest"
_STOCKS = r"GET /v2/stocks/.*"
_BARS = r"GET /v2/stocks/bars"


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        requests: The pattern of "METHOD /path" that it can be injected into.
        effect: What the client sees, one sentence.
        options: The fields of a rule that only some kinds have.
    """

    requests: str
    effect: str
    options: tuple[str, ...] = ()


_OF_ONE = ("symbol",)
_OF_ORDERS = ("symbol", "side")

KINDS: Mapping[FaultKind, Fault] = {
    "not_heard": Fault(_ANY, "Nothing is done and the connection is closed without a response."),
    "reply_lost": Fault(_ANY, "The request is carried out, then the connection is closed."),
    "too_many_requests": Fault(
        _ANY,
        "429; nothing is done. With `retry_after_s` it says for how long.",
        ("retry_after_s",),
    ),
    "server_error": Fault(_ANY, "503; nothing is done."),
    "malformed": Fault(_ANY, "Carried out; the response is an HTML page instead of JSON."),
    "truncated": Fault(_ANY, "Carried out; the response is cut off in the middle."),
    "slow": Fault(_ANY, "Carried out; the response comes after `seconds` (11).", ("seconds",)),
    "halted_stock": Fault(_PLACE, "422: trading in this asset is halted."),
    "overfill": Fault(
        _PLACE, "The last fill is one share larger than what the order had left.", _OF_ORDERS
    ),
    "late_fill": Fault(
        _PLACE,
        "2 minutes after the order is canceled, expired or rejected, the rest is filled after all.",
        _OF_ORDERS,
    ),
    "rejected_by_venue": Fault(
        _PLACE, "200, and from the next read on the order is rejected.", _OF_ORDERS
    ),
    "vanishes": Fault(
        _PLACE,
        "2 minutes after it was placed an order without a fill is not known any more: 404.",
        _OF_ORDERS,
    ),
    "not_listed": Fault(_ORDERS, "Orders of the last 2 minutes are missing, 404 by their id."),
    "clock_skew": Fault(_ORDERS, "Orders are stamped 3 minutes ahead."),
    "unknown_status": Fault(
        _ORDER_ANSWERS, "One order has the status `status` (pending_review).", ("symbol", "status")
    ),
    "wrong_quantity": Fault(
        _ORDER_ANSWERS, "One order is for twice the quantity that was sent.", _OF_ONE
    ),
    "empty_order_type": Fault(_ORDER_ANSWERS, "One order has an empty type.", _OF_ONE),
    "illegible_order": Fault(_ORDER_ANSWERS, "One order's quantities are not numbers.", _OF_ONE),
    "multi_leg_order": Fault(
        _ORDER_LIST, "One more order is listed: an option spread, whose legs have an empty type."
    ),
    "no_average_price": Fault(_ORDERS, "Filled orders have no average price.", _OF_ONE),
    "duplicate_fills": Fault(_FILLS, "Each activity is listed twice."),
    "late_fills": Fault(_FILLS, "Activities of the last 2 minutes are missing."),
    "unordered_fills": Fault(_FILLS, "The activities of a page are in reverse order."),
    "illegible_activity": Fault(
        _FILLS, "One activity's price, or its amount, is not a number.", _OF_ONE
    ),
    "no_positions": Fault(_POSITIONS, "An empty list."),
    "illegible_position": Fault(_POSITIONS, "One position's quantity is not a number.", _OF_ONE),
    "no_buying_power": Fault(_ACCOUNT, "Buying power of 1 USD."),
    "wrong_account": Fault(_ACCOUNT, "Another account number than the keys belong to."),
    "stale_quote": Fault(_QUOTES, "Quotes are dated 10 minutes earlier.", _OF_ONE),
    "frozen_quote": Fault(
        _QUOTES, "The quote of the first request is repeated, with its old time.", _OF_ONE
    ),
    "no_quote": Fault(_QUOTES, "Quotes are missing.", _OF_ONE),
    "wide_quote": Fault(
        _QUOTES,
        "A one-venue quote: the bid times `bid_factor` (0.6), the ask times `ask_factor` (1).",
        ("symbol", "bid_factor", "ask_factor"),
    ),
    "crossed_quote": Fault(_QUOTES, "The bid is above the ask.", _OF_ONE),
    "zero_quote": Fault(_QUOTES, "Nobody bids: bid price and size are 0.", _OF_ONE),
    "illegible_quote": Fault(_QUOTES, "One quote's prices are not numbers.", _OF_ONE),
    "illegible_bar": Fault(_BARS, "One bar's close is not a number.", _OF_ONE),
    "invalid_symbol": Fault(
        _STOCKS, "400 for every request that names `symbol`: the whole request is refused.", _OF_ONE
    ),
    "no_subscription": Fault(_STOCKS, "403: the plan does not include this feed's newest data."),
}


def is_kind(name: object) -> TypeGuard[FaultKind]:
    return name in KINDS
