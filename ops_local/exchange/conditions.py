"""Conditions of accounts and assets, and behaviours in which brokers differ.

They are set through the control API and stored, so that they survive a restart. Without
any the exchange behaves as a healthy paper account does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeGuard, get_args

from ops_local.exchange.words import AssetStatus

OPTIONS_LEVEL = 3
# In every other status Alpaca may refuse orders; paper accounts trade as PAPER_ONLY too.
TRADING_STATUSES = ("ACTIVE", "PAPER_ONLY")

BehaviourName = Literal[
    "activities_order_id",
    "stop_through_market",
    "duplicate_client_order_id",
    "gtc_over_split",
    "sip_feed",
    "indices",
    "bar_publication",
    "venue",
    "fees",
]

# The values of each behaviour; the first is the default.
BEHAVIOURS: Mapping[BehaviourName, tuple[str, ...]] = {
    "activities_order_id": ("ignored", "honoured"),
    "stop_through_market": ("refuse", "trigger", "reject"),
    "duplicate_client_order_id": ("must_be_unique", "already_exists"),
    "gtc_over_split": ("canceled", "adjusted", "left"),
    "sip_feed": ("served", "delayed"),
    "indices": ("refused", "served"),
    "bar_publication": ("at_once", "late", "late_and_recalculated"),
    "venue": ("whole_market", "one_venue"),
    "fees": ("uncharged", "at_day_end", "next_morning"),
}


@dataclass(frozen=True, slots=True)
class AccountCondition:
    """What the broker has imposed on an account.

    Attributes:
        status: One of Alpaca's published statuses, or any other word.
        no_shorting: None: as the account was opened.
    """

    account_number: str
    status: str = "ACTIVE"
    trading_blocked: bool = False
    account_blocked: bool = False
    trade_suspended_by_user: bool = False
    transfers_blocked: bool = False
    options_trading_level: int = OPTIONS_LEVEL
    no_shorting: bool | None = None

    @property
    def may_trade(self) -> bool:
        """Whether the broker accepts orders; the user's own suspension is apart."""
        blocked = self.trading_blocked or self.account_blocked
        return self.status in TRADING_STATUSES and not blocked


@dataclass(frozen=True, slots=True)
class AssetCondition:
    """Whether a symbol can be traded; orders in one that can't are refused or rest."""

    symbol: str
    status: AssetStatus = "active"
    tradable: bool = True

    @property
    def trades(self) -> bool:
        return self.tradable and self.status == "active"


@dataclass(frozen=True, slots=True)
class SymbolHalt:
    """Trading in a symbol stands still from `halted_at` on, to `resumed_at` where that is known.

    Its asset stays active and tradable: no interface of Alpaca's tells of a halt.
    """

    symbol: str
    halted_at: datetime
    resumed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The value in force of one behaviour."""

    name: BehaviourName
    value: str


def is_behaviour(name: object) -> TypeGuard[BehaviourName]:
    return name in get_args(BehaviourName)
