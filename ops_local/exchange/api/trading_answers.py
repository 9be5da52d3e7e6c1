"""Accounts, assets, orders, positions and activities in the JSON of Alpaca's trading API."""

from collections.abc import Mapping
from decimal import Decimal

from ops_local.exchange.api.wire import (
    decimal_text,
    optional_decimal_text,
    optional_timestamp,
    timestamp,
)
from ops_local.exchange.margin import Balances
from ops_local.exchange.records import (
    CashActivity,
    ExchangeFill,
    ExchangeLedger,
    ExchangeOrder,
    Holding,
)
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.market import new_york_day

Answer = dict[str, object]

# A recording does not say where a stock is listed, but the API requires a name.
LISTED_ON = "NYSE"
OPTIONS_LEVEL = 3


def asset_id(symbol: str) -> str:
    return str(stable_uuid("asset", symbol))


def asset(symbol: str) -> Answer:
    return {
        "id": asset_id(symbol),
        "class": "us_equity",
        "exchange": LISTED_ON,
        "symbol": symbol,
        "name": symbol,
        "status": "active",
        "tradable": True,
        "marginable": True,
        "shortable": False,
        "easy_to_borrow": False,
        "fractionable": False,
        "attributes": [],
    }


def account(
    ledger: ExchangeLedger, balances: Balances, last_equity: Decimal, no_shorting: bool
) -> Answer:
    """The account; the day-trading fields that Alpaca retired in 2026 are left out."""
    flags = ("trading_blocked", "transfers_blocked", "account_blocked", "trade_suspended_by_user")
    return {
        "id": str(stable_uuid("account", ledger.account_number)),
        "account_number": ledger.account_number,
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "created_at": timestamp(ledger.opened_at),
        "shorting_enabled": not no_shorting and balances.multiplier > 1,
        "multiplier": str(balances.multiplier),
        "options_approved_level": OPTIONS_LEVEL,
        "options_trading_level": OPTIONS_LEVEL,
        **dict.fromkeys(flags, False),
        **_money(balances),
        "last_equity": decimal_text(last_equity),
    }


def _money(balances: Balances) -> Answer:
    nothing = ("short_market_value", "accrued_fees", "intraday_adjustments", "pending_transfer_in")
    return {
        "cash": decimal_text(balances.cash),
        "equity": decimal_text(balances.equity),
        "portfolio_value": decimal_text(balances.equity),
        "long_market_value": decimal_text(balances.long_market_value),
        "buying_power": decimal_text(balances.buying_power),
        "regt_buying_power": decimal_text(balances.buying_power),
        "options_buying_power": decimal_text(balances.options_buying_power),
        "non_marginable_buying_power": decimal_text(balances.non_marginable_buying_power),
        "initial_margin": decimal_text(balances.initial_margin),
        "maintenance_margin": decimal_text(balances.maintenance_margin),
        **dict.fromkeys(nothing, "0"),
    }


def configurations(no_shorting: bool) -> Answer:
    return {
        "disable_overnight_trading": True,
        "fractional_trading": False,
        "max_margin_multiplier": "2",
        "max_options_trading_level": OPTIONS_LEVEL,
        "no_shorting": no_shorting,
        "ptp_no_exception_entry": False,
        "suspend_trade": False,
        "trade_confirm_email": "none",
    }


def fresh_order(taken: ExchangeOrder) -> Answer:
    """The response to a new order: Alpaca acknowledges first, a fill shows in the next read."""
    status = "pending_new" if taken.status == "new" else taken.status
    return {**order(taken), "status": status}


def order(it: ExchangeOrder) -> Answer:
    average = it.filled_value / it.filled_qty if it.filled_qty else None
    unused = ("notional", "failed_at", "legs", "trail_price", "trail_percent", "hwm")
    return {
        "id": it.order_id,
        "client_order_id": it.client_order_id,
        "symbol": it.symbol,
        "asset_id": asset_id(it.symbol),
        "asset_class": "us_equity",
        "side": it.side,
        "type": it.order_type,
        "order_type": it.order_type,
        "order_class": "simple",
        "time_in_force": it.time_in_force,
        "qty": str(it.qty),
        "limit_price": optional_decimal_text(it.limit_price),
        "stop_price": optional_decimal_text(it.stop_price),
        "filled_qty": str(it.filled_qty),
        "filled_avg_price": optional_decimal_text(average),
        "position_intent": it.position_intent,
        "extended_hours": False,
        "status": it.status,
        "replaced_by": it.replaced_by,
        "replaces": it.replaces,
        **dict.fromkeys(unused),
        **_moments(it),
    }


def _moments(it: ExchangeOrder) -> Answer:
    return {
        "created_at": timestamp(it.submitted_at),
        "submitted_at": timestamp(it.submitted_at),
        "updated_at": timestamp(it.updated_at),
        "expires_at": timestamp(it.expires_at),
        "filled_at": optional_timestamp(it.filled_at),
        "canceled_at": optional_timestamp(it.canceled_at),
        "expired_at": optional_timestamp(it.expired_at),
        "replaced_at": optional_timestamp(it.replaced_at),
    }


def position(
    held: Holding, *, price: Decimal, last_day_price: Decimal, opened_today: bool, for_sale: int
) -> Answer:
    """One holding valued at `price`; open sell orders have reserved `for_sale` shares."""
    value = held.qty * price
    day_basis = held.cost if opened_today else held.qty * last_day_price
    return {
        "asset_id": asset_id(held.symbol),
        "symbol": held.symbol,
        "exchange": LISTED_ON,
        "asset_class": "us_equity",
        "asset_marginable": True,
        "side": "long",
        "qty": str(held.qty),
        "qty_available": str(held.qty - for_sale),
        "avg_entry_price": decimal_text(held.average_price),
        "cost_basis": decimal_text(held.cost),
        "market_value": decimal_text(value),
        "current_price": decimal_text(price),
        "lastday_price": decimal_text(last_day_price),
        "change_today": decimal_text(price / last_day_price - 1),
        "unrealized_pl": decimal_text(value - held.cost),
        "unrealized_plpc": decimal_text(value / held.cost - 1),
        "unrealized_intraday_pl": decimal_text(value - day_basis),
        "unrealized_intraday_plpc": decimal_text(value / day_basis - 1),
    }


def cash_activity(it: CashActivity) -> Mapping[str, object]:
    """An activity that was not a trade; `date` is the day it is booked on."""
    about = {} if it.symbol is None else {"symbol": it.symbol}
    return {
        "id": it.activity_id,
        "activity_type": it.activity_type,
        "date": new_york_day(it.created_at).isoformat(),
        "net_amount": decimal_text(it.net_amount),
        "status": "executed",
        "currency": "USD",
        "created_at": timestamp(it.created_at),
        **about,
    }


def fill(it: ExchangeFill) -> Mapping[str, object]:
    return {
        "id": it.activity_id,
        "activity_type": "FILL",
        "type": "fill" if it.leaves_qty == 0 else "partial_fill",
        "order_id": it.order_id,
        "order_status": it.order_status,
        "symbol": it.symbol,
        "side": it.side,
        "qty": str(it.qty),
        "price": decimal_text(it.price),
        "cum_qty": str(it.cum_qty),
        "leaves_qty": str(it.leaves_qty),
        "transaction_time": timestamp(it.executed_at),
    }
