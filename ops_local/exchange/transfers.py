"""Holdings that an account has without having bought them here: from before, or by transfer."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

from ops_local.exchange.orders.matching import TradeExecution
from ops_local.exchange.orders.settlement import added
from ops_local.exchange.records import TransferredHolding
from ops_local.exchange.refusals import bad_parameter
from ops_local.exchange.storage.store import Store
from ops_local.exchange.words import AssetClass
from ops_pipeline.domain.market import new_york_day, new_york_time

_FIELDS = {"account", "symbol", "qty", "price", "bought_on", "asset_class"}
_DAY = timedelta(days=1)


def add(store: Store, asked: Any, now: datetime) -> TransferredHolding:
    """Add `{"account": "large", "symbol": "AAPL", "qty": "30", "price": "150.25"}`.

    `bought_on` is the day before by default, `asset_class` us_equity.

    Raises:
        ApiRefusal: a field is missing, unknown or malformed, or the account has such a
            holding already; nothing is added.
    """
    if not isinstance(asked, Mapping) or set(asked) - _FIELDS:
        raise bad_parameter(f"holding: an object of {', '.join(sorted(_FIELDS))} is expected")
    ledger = next((it for it in store.ledgers() if it.name == asked.get("account")), None)
    if ledger is None:
        raise bad_parameter(f"holding: no account {asked.get('account')}")
    holding = TransferredHolding(
        account_number=ledger.account_number,
        symbol=_symbol(asked),
        asset_class=_asset_class(asked),
        qty=_positive(asked, "qty"),
        price=_positive(asked, "price"),
        bought_on=_day(asked, now).isoformat(),
        added_at=now,
    )
    _save(store, holding)
    return holding


def _save(store: Store, holding: TransferredHolding) -> None:
    known = store.transferred_holdings(holding.account_number)
    if holding.symbol in {it.symbol for it in known}:
        raise bad_parameter(f"holding: {holding.symbol} was transferred already")
    store.save(holding)
    if holding.asset_class != "us_equity":
        return
    if holding.qty != int(holding.qty):
        raise bad_parameter("holding: shares are whole")
    held = store.holding(holding.account_number, holding.symbol)
    shares = TradeExecution(int(holding.qty), holding.price)
    bought_at = new_york_time(date.fromisoformat(holding.bought_on), 12)
    store.save(added(held, holding.account_number, holding.symbol, shares, bought_at))


def _symbol(asked: Mapping[str, Any]) -> str:
    symbol = asked.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise bad_parameter("holding: symbol is required")
    return symbol


def _asset_class(asked: Mapping[str, Any]) -> AssetClass:
    choices: tuple[AssetClass, ...] = get_args(AssetClass)
    for choice in choices:
        if asked.get("asset_class", choices[0]) == choice:
            return choice
    raise bad_parameter(f"holding: asset_class is one of {', '.join(choices)}")


def _positive(asked: Mapping[str, Any], name: str) -> Decimal:
    try:
        number = Decimal(str(asked.get(name)))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number <= 0:
        raise bad_parameter(f"holding: {name} is not a number above 0")
    return number


def _day(asked: Mapping[str, Any], now: datetime) -> date:
    text = asked.get("bought_on")
    if text is None:
        return new_york_day(now) - _DAY
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise bad_parameter("holding: bought_on is a day as YYYY-MM-DD") from error
