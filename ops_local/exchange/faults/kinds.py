"""The kinds of fault, the requests that each applies to and what the client sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeGuard, get_args

FaultKind = Literal[
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
    "duplicate_fills",
    "late_fills",
    "unordered_fills",
    "no_positions",
    "no_buying_power",
    "wrong_account",
    "stale_quote",
    "crossed_quote",
    "zero_quote",
]

_ANY = r".*"
_ORDER = r"POST /v2/orders"
_ORDERS = r"GET /v2/orders.*"
_FILLS = r"GET /v2/account/activities.*"
_POSITIONS = r"GET /v2/positions"
_ACCOUNT = r"GET /v2/account"
_QUOTES = r"GET /v2/stocks/quotes/latest"


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        requests: The pattern of "METHOD /path" that it applies to by default.
        effect: What the client sees, one sentence.
    """

    requests: str
    effect: str


KINDS: Mapping[FaultKind, Fault] = {
    "not_heard": Fault(_ANY, "Nothing is done and the connection is closed without a response."),
    "reply_lost": Fault(_ANY, "The request is carried out, then the connection is closed."),
    "too_many_requests": Fault(_ANY, "429; nothing is done."),
    "server_error": Fault(_ANY, "503; nothing is done."),
    "malformed": Fault(_ANY, "Carried out; the response is an HTML page instead of JSON."),
    "truncated": Fault(_ANY, "Carried out; the response is cut off in the middle."),
    "slow": Fault(_ANY, "Carried out; the response comes after `seconds` (11)."),
    "halted_stock": Fault(_ORDER, "422: trading in this asset is halted."),
    "not_listed": Fault(_ORDERS, "Orders of the last 2 minutes are missing, 404 by their id."),
    "clock_skew": Fault(_ORDERS, "Orders are stamped 3 minutes ahead."),
    "duplicate_fills": Fault(_FILLS, "Each activity is listed twice."),
    "late_fills": Fault(_FILLS, "Activities of the last 2 minutes are missing."),
    "unordered_fills": Fault(_FILLS, "The activities of a page are in reverse order."),
    "no_positions": Fault(_POSITIONS, "An empty list."),
    "no_buying_power": Fault(_ACCOUNT, "Buying power of 1 USD."),
    "wrong_account": Fault(_ACCOUNT, "Another account number than the keys belong to."),
    "stale_quote": Fault(_QUOTES, "Quotes are dated 10 minutes earlier."),
    "crossed_quote": Fault(_QUOTES, "The bid is above the ask."),
    "zero_quote": Fault(_QUOTES, "Nobody bids: bid price and size are 0."),
}


def is_kind(name: object) -> TypeGuard[FaultKind]:
    return name in get_args(FaultKind)
