"""Accounts, orders, positions and activities as Alpaca's trading API shows them."""

from collections.abc import Mapping
from decimal import Decimal

from ops_local.exchange.api.wire import moment, number, optional_moment, optional_number
from ops_local.exchange.margin import Figures
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

# A recording does not say where a stock is listed, and the API wants a name.
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
    ledger: ExchangeLedger, figures: Figures, last_equity: Decimal, no_shorting: bool
) -> Answer:
    """The account's figures; what Alpaca retired in 2026 about day trading is left out."""
    flags = ("trading_blocked", "transfers_blocked", "account_blocked", "trade_suspended_by_user")
    return {
        "id": str(stable_uuid("account", ledger.account_number)),
        "account_number": ledger.account_number,
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "created_at": moment(ledger.opened_at),
        "shorting_enabled": not no_shorting and figures.multiplier > 1,
        "multiplier": str(figures.multiplier),
        "options_approved_level": OPTIONS_LEVEL,
        "options_trading_level": OPTIONS_LEVEL,
        **dict.fromkeys(flags, False),
        **_money(figures),
        "last_equity": number(last_equity),
    }


def _money(figures: Figures) -> Answer:
    nothing = ("short_market_value", "accrued_fees", "intraday_adjustments", "pending_transfer_in")
    return {
        "cash": number(figures.cash),
        "equity": number(figures.equity),
        "portfolio_value": number(figures.equity),
        "long_market_value": number(figures.long_market_value),
        "buying_power": number(figures.buying_power),
        "regt_buying_power": number(figures.buying_power),
        "options_buying_power": number(figures.options_buying_power),
        "non_marginable_buying_power": number(figures.non_marginable_buying_power),
        "initial_margin": number(figures.initial_margin),
        "maintenance_margin": number(figures.maintenance_margin),
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
    """The answer to a new order: Alpaca acknowledges first, a fill shows in the next look."""
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
        "limit_price": optional_number(it.limit_price),
        "stop_price": optional_number(it.stop_price),
        "filled_qty": str(it.filled_qty),
        "filled_avg_price": optional_number(average),
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
        "created_at": moment(it.submitted_at),
        "submitted_at": moment(it.submitted_at),
        "updated_at": moment(it.updated_at),
        "expires_at": moment(it.expires_at),
        "filled_at": optional_moment(it.filled_at),
        "canceled_at": optional_moment(it.canceled_at),
        "expired_at": optional_moment(it.expired_at),
        "replaced_at": optional_moment(it.replaced_at),
    }


def position(
    held: Holding, *, price: Decimal, last_day_price: Decimal, opened_today: bool, for_sale: int
) -> Answer:
    """One holding at a mark; `for_sale` shares are held by open sell orders."""
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
        "avg_entry_price": number(held.average_price),
        "cost_basis": number(held.cost),
        "market_value": number(value),
        "current_price": number(price),
        "lastday_price": number(last_day_price),
        "change_today": number(price / last_day_price - 1),
        "unrealized_pl": number(value - held.cost),
        "unrealized_plpc": number(value / held.cost - 1),
        "unrealized_intraday_pl": number(value - day_basis),
        "unrealized_intraday_plpc": number(value / day_basis - 1),
    }


def cash_activity(it: CashActivity) -> Mapping[str, object]:
    """An activity that was no trade; `date` is the day it counts for."""
    about = {} if it.symbol is None else {"symbol": it.symbol}
    return {
        "id": it.activity_id,
        "activity_type": it.activity_type,
        "date": new_york_day(it.created_at).isoformat(),
        "net_amount": number(it.net_amount),
        "status": "executed",
        "currency": "USD",
        "created_at": moment(it.created_at),
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
        "price": number(it.price),
        "cum_qty": str(it.cum_qty),
        "leaves_qty": str(it.leaves_qty),
        "transaction_time": moment(it.executed_at),
    }
