"""Alpaca's words and what they mean in ours. A new word is no error: it counts as unknown."""

import re

from ops_pipeline.domain.broker import BrokerStatus, CashKind
from ops_pipeline.domain.trading_terms import FeeKind

# Account statuses: those of the published API and those of alpaca-py. Under these orders are taken;
# PAPER_ONLY is an account that has paper money alone.
TRADING_STATUSES = ("ACTIVE", "PAPER_ONLY")
_IN_REVIEW = "Alpaca still examines the application: wait, and look for its mail"
_CLOSED = "the account is closed, or about to be: use the keys of another one"
_MEND = "open Alpaca's dashboard and do what it asks for"
BLOCKING_STATUSES: dict[str, str] = {
    "ACCOUNT_CLOSED": _CLOSED,
    "ACCOUNT_CLOSED_PENDING": _CLOSED,
    "ACCOUNT_UPDATED": "its personal data are being changed: wait until that is approved",
    "ACTION_REQUIRED": _MEND,
    "AML_REVIEW": _IN_REVIEW,
    "APPROVAL_PENDING": _IN_REVIEW,
    "APPROVED": "the application is approved and the account not active yet: wait",
    "DISABLED": _CLOSED,
    "DISABLE_PENDING": _CLOSED,
    "EDITED": "its personal data are being changed: wait until that is approved",
    "INACTIVE": "the account is not enabled to trade: ask Alpaca's support",
    "KYC_SUBMITTED": _IN_REVIEW,
    "LIMITED": f"Alpaca restricts what the account may do: {_MEND}",
    "ONBOARDING": f"the application is not complete: {_MEND}",
    "REAPPROVAL_PENDING": _IN_REVIEW,
    "REJECTED": "Alpaca has rejected the application: ask its support",
    "RESUBMITTED": _IN_REVIEW,
    "SIGNED_UP": f"the application is not complete: {_MEND}",
    "SUBMISSION_FAILED": f"the application did not reach Alpaca: {_MEND}",
    "SUBMITTED": _IN_REVIEW,
}
_UNKNOWN_STATUS = "no status that is known here: look at the account on Alpaca's dashboard"
# Flags of an account, any of which stops orders.
BLOCKING_FLAGS: dict[str, str] = {
    "trading_blocked": "Alpaca lets it place no orders: ask its support",
    "account_blocked": "Alpaca has blocked the account: ask its support",
    "trade_suspended_by_user": "trading is suspended in its own settings: switch that off there",
}

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
    **dict.fromkeys(
        (
            "CGD",
            "DIV",
            "DIVCGL",
            "DIVCGS",
            "DIVFEE",
            "DIVFT",
            "DIVNRA",
            "DIVROC",
            "DIVTW",
            "DIVTXEX",
        ),
        "dividend",
    ),
    **dict.fromkeys(("MA", "NC", "REORG", "SPIN"), "corporate"),
    "SPLIT": "split",
    "FEE": "fee",
}
# Of a fee, by its sub-type; older ones have it as the first word of their description.
FEE_KIND: dict[str, FeeKind] = {
    "REG": "SEC",
    "TAF": "TAF",
    "CAT": "CAT",
    "ORF": "ORF",
    "OCC": "OCC",
}


_OUR_ID = re.compile(r"client[ _-]?order[ _-]?id|duplicate (client )?order")
_TAKEN = re.compile(r"unique|already|exist|duplicate|in use|taken|reused?\b|been used")


def says_placed_before(words: str) -> bool:
    """Whether a refusal says, in whatever wording, that an order has this client_order_id."""
    said = words.lower()
    return bool(_OUR_ID.search(said) and _TAKEN.search(said))


def why_status_blocks(word: str) -> str | None:
    """What an account's status says against orders, and what to do; None where nothing."""
    if word in TRADING_STATUSES:
        return None
    return f"{word}, {BLOCKING_STATUSES.get(word, _UNKNOWN_STATUS)}"


def order_status(word: str) -> BrokerStatus:
    return ORDER_STATUS.get(word, "unknown")


def cash_kind(word: str) -> CashKind:
    return CASH_KIND.get(word, "other")
