"""Broker records in our own terms. Quantities are shares or contracts, prices USD."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.trading_terms import FeeKind

Side = Literal["buy", "sell"]
OrderType = Literal["limit", "market", "stop"]
TimeInForce = Literal["day", "gtc"]
# A "working" order may still fill; "unknown" is a status that the broker's adapter does not
# know: the order may be live or ended.
BrokerStatus = Literal["working", "filled", "canceled", "expired", "rejected", "unknown"]
# "capital" is a deposit or withdrawal; "in_kind" a transfer of securities of unknown value;
# "dividend" is counted on its ex-date, and not when it is paid; "split" and "corporate", such as
# a merger or a renaming, book shares with what is paid for them; a "fee" and "other", such as
# interest, count as profit or loss.
CashKind = Literal["capital", "in_kind", "dividend", "split", "corporate", "fee", "other"]
# Asset classes that are traded here. Others, such as crypto, are never taken for stock.
_TRADED_HERE = ("us_equity", "us_option")


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
    """One order as the broker reports it.

    `raw_status` keeps the broker's own word for logs, alerts and people; decisions look at
    `status` alone. `filled_average_price` is None until something filled. `notional` is set for
    an order in dollars.
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
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    notional: Decimal | None = None
    asset_class: str = "us_equity"

    @property
    def is_traded_here(self) -> bool:
        return self.asset_class in _TRADED_HERE

    @property
    def has_no_quantity(self) -> bool:
        """Whether it is in dollars and has bought nothing: a row of ours needs a quantity."""
        return self.notional is not None and self.quantity <= 0 and self.filled_quantity == 0


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
    """What moved money or shares without a trade: a deposit, a fee, a dividend, a split.

    `raw_kind` keeps the broker's own word; `amount` is USD, under 0 when the account paid,
    0 for what moves no money; `activity_id` never repeats. `symbol` is None where it concerns
    no security.

    Attributes:
        fee: Of a fee, which one; None for one that trades here do not have.
        charged_for: Of a fee, the trade date in New York where it is told.
    """

    activity_id: str
    kind: CashKind
    raw_kind: str
    amount: Decimal
    created_at: datetime
    symbol: str | None = None
    fee: FeeKind | None = None
    charged_for: date | None = None

    @property
    def trade_day(self) -> date:
        """The trade date of a fee; the day that it was booked on where none is told."""
        return self.charged_for or new_york_day(self.created_at)


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """One position at the broker; `quantity` is negative for a short.

    Attributes:
        price, close_before: Its present price and that of the last close, USD; None: not told.
        day_gain: What it gained today, USD, below 0 for a loss; None: not told.
    """

    symbol: str
    quantity: Decimal
    available: Decimal
    average_entry_price: Decimal
    asset_class: str = "us_equity"
    price: Decimal | None = None
    close_before: Decimal | None = None
    day_gain: Decimal | None = None

    @property
    def is_traded_here(self) -> bool:
        return self.asset_class in _TRADED_HERE


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """The account at the broker, USD.

    `trading_blocked` covers every reason, an inactive account included; `raw_status` is the
    broker's own word, and `why_blocked` says what blocks and what to do about it.
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
    why_blocked: str | None = None
