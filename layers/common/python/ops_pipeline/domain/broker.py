"""What the broker says, in our words. Quantities are shares or contracts, prices USD."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

Side = Literal["buy", "sell"]
OrderType = Literal["limit", "market", "stop"]
TimeInForce = Literal["day", "gtc"]
# What has become of an order. "working" may still fill; "unknown" is a word that the
# broker's adapter does not know, which says neither that the order lives nor that it ended.
BrokerStatus = Literal["working", "filled", "canceled", "expired", "rejected", "unknown"]
# "capital" was brought in or taken out; "in_kind" are securities that came or went without
# a trade, their worth unknown; "other" is what the market and the broker do: profit or loss.
CashKind = Literal["capital", "in_kind", "other"]


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One order as it is sent; `price` is the limit or the stop, None for a market order."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    price: Decimal | None
    time_in_force: TimeInForce = "day"


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """The broker's view of one order.

    `raw_status` keeps the broker's own word for logs, alerts and people; decisions look at
    `status` alone. `filled_average_price` is None until something filled.
    """

    broker_order_id: str
    client_order_id: str
    symbol: str
    side: Side
    order_type: str
    quantity: Decimal
    filled_quantity: Decimal
    filled_average_price: Decimal | None
    status: BrokerStatus
    raw_status: str
    submitted_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class BrokerFill:
    """One execution; `fill_id` is the broker's activity id and never repeats."""

    fill_id: str
    broker_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class BrokerCashActivity:
    """Money that moved without a trade: a deposit, a fee, a dividend, interest.

    `raw_kind` keeps the broker's own word; `amount` is USD, under 0 when the account paid,
    0 for what moves no money; `activity_id` never repeats.
    """

    activity_id: str
    kind: CashKind
    raw_kind: str
    amount: Decimal
    created_at: datetime


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """What the broker holds; `quantity` is negative for a short."""

    symbol: str
    quantity: Decimal
    available: Decimal
    average_entry_price: Decimal


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """The account as the broker keeps it, USD.

    `trading_blocked` is whatever keeps it from trading, an account that is not active
    included; `raw_status` says so in the broker's word.
    """

    account_number: str
    raw_status: str
    trading_blocked: bool
    no_shorting: bool
    cash: Decimal
    equity: Decimal
    last_equity: Decimal
    buying_power: Decimal
    options_buying_power: Decimal
    options_trading_level: int
