"""Records that the exchange stores. Prices are USD, quantities whole shares."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from ops_pipeline.domain.broker import OrderType, Side, TimeInForce

__all__ = ["OrderType", "Side", "TimeInForce"]

OrderStatus = Literal[
    "accepted", "new", "partially_filled", "filled", "canceled", "expired", "replaced"
]
FillStatus = Literal["partially_filled", "filled"]
PositionIntent = Literal["buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"]
# Alpaca's words for what moves cash alone; activities in options and securities have others.
CashActivityType = Literal["CSD", "CSW", "JNLC", "FEE", "INT", "DIV", "DIVNRA", "CGD", "PTC", "PTR"]

LIVE: tuple[OrderStatus, ...] = ("accepted", "new", "partially_filled")


@dataclass(frozen=True, slots=True)
class ExchangeOrder:
    """One order.

    Attributes:
        number: Numbers the orders of its account from 1.
        reserve_price: Buying power that an unfilled share reserves; 0 for a sale.
        triggered_at: When a stop order became a market order.
        expires_at: The close at which it expires if still open.
        filled_value: Sum of quantity times price over its fills.
    """

    order_id: str
    account_number: str
    number: int
    client_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    qty: int
    limit_price: Decimal | None
    stop_price: Decimal | None
    reserve_price: Decimal
    position_intent: PositionIntent
    status: OrderStatus
    submitted_at: datetime
    updated_at: datetime
    expires_at: datetime
    filled_qty: int = 0
    filled_value: Decimal = Decimal(0)
    triggered_at: datetime | None = None
    filled_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    replaced_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None

    @property
    def live(self) -> bool:
        return self.status in LIVE

    @property
    def remaining(self) -> int:
        return self.qty - self.filled_qty

    @property
    def reserved(self) -> Decimal:
        """Buying power that the unfilled part reserves, USD."""
        return self.reserve_price * self.remaining


@dataclass(frozen=True, slots=True)
class ExchangeFill:
    """One execution; `number` numbers the fills of its order from 1."""

    activity_id: str
    order_id: str
    account_number: str
    number: int
    symbol: str
    side: Side
    qty: int
    price: Decimal
    cum_qty: int
    leaves_qty: int
    order_status: FillStatus
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class CashActivity:
    """Cash that moved without a trade.

    Attributes:
        number: Numbers the account's activities from 1.
        activity_type: CSD is a deposit, CSW a withdrawal; FEE, DIV, INT, ...
        net_amount: USD; negative when the account paid.
        symbol: The security that paid; None when the activity concerns none.
    """

    activity_id: str
    account_number: str
    number: int
    activity_type: CashActivityType
    net_amount: Decimal
    symbol: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Holding:
    """Shares held; `cost` is what they cost in total, without fees."""

    account_number: str
    symbol: str
    qty: int
    cost: Decimal
    opened_at: datetime

    @property
    def average_price(self) -> Decimal:
        return self.cost / self.qty


@dataclass(frozen=True, slots=True)
class ExchangeLedger:
    """The cash of one account; `opening_cash` is what it was opened with."""

    account_number: str
    name: str
    opening_cash: Decimal
    cash: Decimal
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class DayEnd:
    """An account's equity at the close of a session, `day` as YYYY-MM-DD."""

    account_number: str
    day: str
    equity: Decimal


@dataclass(frozen=True, slots=True)
class ClosingPrice:
    """The last price of a symbol at the close of a session, `day` as YYYY-MM-DD."""

    symbol: str
    day: str
    price: Decimal
