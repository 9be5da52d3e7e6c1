"""Accounts, assets and positions in the JSON of Alpaca's trading API."""

from decimal import Decimal

from ops_local.exchange.api.wire import (
    decimal_text,
    timestamp,
)
from ops_local.exchange.conditions import OPTIONS_LEVEL, AccountCondition, AssetCondition
from ops_local.exchange.margin import Balances
from ops_local.exchange.records import (
    ExchangeLedger,
    Holding,
    TransferredHolding,
)
from ops_pipeline.domain.ids import stable_uuid

Answer = dict[str, object]

_UNCHANGED = (
    "change_today",
    "unrealized_pl",
    "unrealized_plpc",
    "unrealized_intraday_pl",
    "unrealized_intraday_plpc",
)
# A recording does not say where a stock is listed, but the API requires a name.
LISTED_ON = "NYSE"


def asset_id(symbol: str) -> str:
    return str(stable_uuid("asset", symbol))


def asset(condition: AssetCondition) -> Answer:
    return {
        "id": asset_id(condition.symbol),
        "class": "us_equity",
        "exchange": LISTED_ON,
        "symbol": condition.symbol,
        "name": condition.symbol,
        "status": condition.status,
        "tradable": condition.trades,
        "marginable": True,
        "shortable": False,
        "easy_to_borrow": False,
        "fractionable": False,
        "attributes": [],
    }


def account(
    ledger: ExchangeLedger,
    balances: Balances,
    last_equity: Decimal,
    condition: AccountCondition,
) -> Answer:
    """The account; the day-trading fields that Alpaca retired in 2026 are left out."""
    return {
        "id": str(stable_uuid("account", ledger.account_number)),
        "account_number": ledger.account_number,
        "status": condition.status,
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "created_at": timestamp(ledger.opened_at),
        "shorting_enabled": not condition.no_shorting and balances.multiplier > 1,
        "multiplier": str(balances.multiplier),
        "options_approved_level": OPTIONS_LEVEL,
        "options_trading_level": condition.options_trading_level,
        "trading_blocked": condition.trading_blocked,
        "transfers_blocked": condition.transfers_blocked,
        "account_blocked": condition.account_blocked,
        "trade_suspended_by_user": condition.trade_suspended_by_user,
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


def configurations(condition: AccountCondition) -> Answer:
    return {
        "disable_overnight_trading": True,
        "fractional_trading": False,
        "max_margin_multiplier": "2",
        "max_options_trading_level": condition.options_trading_level,
        "no_shorting": bool(condition.no_shorting),
        "ptp_no_exception_entry": False,
        "suspend_trade": condition.trade_suspended_by_user,
        "trade_confirm_email": "none",
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


def other_position(it: TransferredHolding) -> Answer:
    """A holding in another asset class, valued at what it cost."""
    value = it.qty * it.price
    return {
        "asset_id": asset_id(it.symbol),
        "symbol": it.symbol,
        "exchange": "",
        "asset_class": it.asset_class,
        "asset_marginable": False,
        "side": "long",
        "qty": decimal_text(it.qty),
        "qty_available": decimal_text(it.qty),
        "avg_entry_price": decimal_text(it.price),
        "cost_basis": decimal_text(value),
        "market_value": decimal_text(value),
        "current_price": decimal_text(it.price),
        "lastday_price": decimal_text(it.price),
        **dict.fromkeys(_UNCHANGED, "0"),
    }
