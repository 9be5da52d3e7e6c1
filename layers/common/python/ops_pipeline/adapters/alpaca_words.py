"""Alpaca's words and what they mean in ours. A new word is no error: it counts as unknown."""

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
CASH_KIND: dict[str, CashKind] = {
    **dict.fromkeys(("ACATC", "CSD", "CSW", "JNL", "JNLC", "TRANS"), "capital"),
    **dict.fromkeys(("ACATS", "FOPT", "JNLS"), "in_kind"),
}


def order_status(word: str) -> BrokerStatus:
    return ORDER_STATUS.get(word, "unknown")


def cash_kind(word: str) -> CashKind:
    return CASH_KIND.get(word, "other")
