"""What the exchange keeps: orders, fills, holdings. Prices USD, quantities whole shares."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ops_pipeline.domain.broker import OrderType, Side, TimeInForce

LIVE = ("accepted", "new", "partially_filled")


@dataclass(frozen=True, slots=True)
class ExchangeOrder:
    """One order.

    Attributes:
        number: Counts the orders of its account from 1.
        reserve_price: What an unfilled share holds of the buying power; 0 for a sale.
        triggered_at: When a stop order became a market order.
        expires_at: The close at which it ends when still open.
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
    position_intent: str
    status: str
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
        """Buying power that the unfilled part holds, USD."""
        return self.reserve_price * self.remaining


@dataclass(frozen=True, slots=True)
class ExchangeFill:
    """One execution; `number` counts the fills of its order from 1."""

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
    order_status: str
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class CashActivity:
    """Money that moved without a trade.

    Attributes:
        number: Counts the account's activities from 1.
        activity_type: Alpaca's word: CSD a deposit, CSW a withdrawal, FEE, DIV, INT, ...
        net_amount: USD; under 0 when the account paid.
        symbol: Whose dividend; None for what concerns no security.
    """

    activity_id: str
    account_number: str
    number: int
    activity_type: str
    net_amount: Decimal
    symbol: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Holding:
    """Shares held; `cost` is what they cost together, fees do not exist here."""

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
    """The money of one account; `opening_cash` is what it was opened with."""

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
