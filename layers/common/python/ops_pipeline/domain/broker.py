"""What the broker says, in our words. Quantities are shares or contracts, prices USD."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

Side = Literal["buy", "sell"]
OrderType = Literal["limit", "market", "stop"]
TimeInForce = Literal["day", "gtc"]


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

    `status` keeps the broker's own word ("new", "partially_filled", "filled",
    "canceled", "expired", "rejected", ...). `filled_average_price` is None until
    something filled.
    """

    broker_order_id: str
    client_order_id: str
    symbol: str
    side: Side
    order_type: str
    quantity: Decimal
    filled_quantity: Decimal
    filled_average_price: Decimal | None
    status: str
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

    `kind` keeps the broker's own word ("CSD", "FEE", "DIV", ...); `amount` is USD, under
    0 when the account paid, 0 for what moves no money; `activity_id` never repeats.
    """

    activity_id: str
    kind: str
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
    """The account as the broker keeps it, USD."""

    account_number: str
    status: str
    trading_blocked: bool
    no_shorting: bool
    cash: Decimal
    equity: Decimal
    last_equity: Decimal
    buying_power: Decimal
    options_buying_power: Decimal
    options_trading_level: int
