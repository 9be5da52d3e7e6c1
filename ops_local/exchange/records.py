"""Records that the exchange stores. Prices are USD, quantities of orders whole shares."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ops_local.exchange.words import (
    AnnouncedKind,
    AssetClass,
    CashActivityType,
    FillStatus,
    OrderStatus,
    OrderType,
    PositionIntent,
    Side,
    TimeInForce,
)

LIVE: tuple[OrderStatus, ...] = ("accepted", "new", "partially_filled")


@dataclass(frozen=True, slots=True)
class ExchangeOrder:
    """One order.

    Attributes:
        number: Numbers the orders of its account from 1.
        stop_price: Of a trailing stop it follows the market.
        reserve_price: Buying power that an unfilled share reserves; 0 for a sale.
        triggered_at: When a stop order became a market or limit order.
        expires_at: The close at which it expires if still open.
        filled_qty: More than `qty` only by an injected fault.
        filled_value: Sum of quantity times price over its fills.
        trail_price, trail_percent: A trailing stop has one of them; percent as in 2.5.
        hwm: The best price since a trailing stop was placed: highest bid of a sale, lowest
            ask of a purchase.
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
    failed_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    hwm: Decimal | None = None

    @property
    def live(self) -> bool:
        return self.status in LIVE

    @property
    def remaining(self) -> int:
        return max(self.qty - self.filled_qty, 0)

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
        activity_sub_type, description: Of a fee on trades, as Alpaca words them.
        trade_day: Of such a fee the trade date in New York, YYYY-MM-DD.
    """

    activity_id: str
    account_number: str
    number: int
    activity_type: CashActivityType
    net_amount: Decimal
    symbol: str | None
    created_at: datetime
    activity_sub_type: str | None = None
    description: str | None = None
    trade_day: str | None = None


@dataclass(frozen=True, slots=True)
class AnnouncedAction:
    """A corporate action; days are New York's, YYYY-MM-DD.

    Attributes:
        old_rate, new_rate: So many shares become so many; None where the kind has none.
        cash: USD for a share; of a stock dividend the shares for a share.
        listed: Whether the market data API shows it.
        processed_at: When it was carried out; None: it will be, on its ex-date.
    """

    action_id: str
    kind: AnnouncedKind
    symbol: str
    new_symbol: str | None
    old_rate: Decimal | None
    new_rate: Decimal | None
    cash: Decimal | None
    ex_date: str
    payable_date: str
    listed: bool
    announced_at: datetime
    processed_at: datetime | None


@dataclass(frozen=True, slots=True)
class DividendClaim:
    """What an account is owed for the shares that it held on an ex-date, USD."""

    action_id: str
    account_number: str
    symbol: str
    amount: Decimal
    payable_date: str
    paid_at: datetime | None


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
class TransferredHolding:
    """Something the account holds without having bought it here.

    Shares become a Holding as well and are traded like any other. Other asset classes are
    shown and valued at `price`, but not traded here.

    Attributes:
        qty: Whole for shares.
        price: What one cost.
        bought_on: Day of the purchase in New York, YYYY-MM-DD.
        added_at: When it was entered here.
    """

    account_number: str
    symbol: str
    asset_class: AssetClass
    qty: Decimal
    price: Decimal
    bought_on: str
    added_at: datetime


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
