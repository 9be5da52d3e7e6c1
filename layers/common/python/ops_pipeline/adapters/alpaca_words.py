"""Alpaca's words and what they mean in ours. A new word is no error: it counts as unknown."""

import re

from ops_pipeline.domain.broker import BrokerStatus, CashKind

# The one account status under which orders are taken.
MAY_TRADE = "ACTIVE"

_WORKING = (
    "accepted",
    "accepted_for_bidding",
    "calculated",
    "done_for_day",
    "held",
    "new",
    "partially_filled",
    "pending_cancel",
    "pending_new",
    "pending_replace",
    "pending_review",
    "stopped",
    "suspended",
)
ORDER_STATUS: dict[str, BrokerStatus] = {
    **dict.fromkeys(_WORKING, "working"),
    "filled": "filled",
    "canceled": "canceled",
    # The order that takes its place has an id of its own.
    "replaced": "canceled",
    "expired": "expired",
    "rejected": "rejected",
}
# Words for an order that can fill no more.
ENDED = frozenset(word for word, status in ORDER_STATUS.items() if status != "working")
CASH_KIND: dict[str, CashKind] = {
    **dict.fromkeys(("ACATC", "CSD", "CSW", "JNL", "JNLC", "TRANS"), "capital"),
    **dict.fromkeys(("ACATS", "FOPT", "JNLS"), "in_kind"),
}


_OUR_ID = re.compile(r"client[ _-]?order[ _-]?id|duplicate (client )?order")
_TAKEN = re.compile(r"unique|already|exist|duplicate|in use|taken|reused?\b|been used")


def says_placed_before(words: str) -> bool:
    """Whether a refusal says, in whatever wording, that an order has this client_order_id."""
    said = words.lower()
    return bool(_OUR_ID.search(said) and _TAKEN.search(said))


def order_status(word: str) -> BrokerStatus:
    return ORDER_STATUS.get(word, "unknown")


def cash_kind(word: str) -> CashKind:
    return CASH_KIND.get(word, "other")
