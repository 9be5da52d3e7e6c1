"""Announces a corporate action, as the control API asks."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

from ops_local.exchange.records import AnnouncedAction
from ops_local.exchange.refusals import bad_parameter
from ops_local.exchange.storage.store import Store
from ops_local.exchange.words import AnnouncedKind
from ops_pipeline.domain.ids import stable_uuid

KINDS: tuple[AnnouncedKind, ...] = get_args(AnnouncedKind)
_NUMBERS = ("old_rate", "new_rate", "cash")
_DAYS = ("ex_date", "payable_date")
_SWITCHES = ("listed", "processed")
_FIELDS = {"kind", "symbol", "new_symbol", *_NUMBERS, *_DAYS, *_SWITCHES}
_RATED = ("forward_split", "reverse_split", "stock_merger", "stock_and_cash_merger", "spin_off")
_PAYING = ("cash_dividend", "cash_merger", "stock_and_cash_merger", "stock_dividend")
_RENAMING = ("name_change", "stock_merger", "stock_and_cash_merger", "spin_off")


def announce(store: Store, asked: Any, now: datetime) -> AnnouncedAction:
    """Announce `{"kind": "forward_split", "symbol": "AAA", "old_rate": "1", "new_rate": "2",
    "ex_date": "2013-10-08"}`.

    `cash` is USD a share, of a stock dividend shares a share. `listed: false` is an action that
    the market data API does not show, `processed: false` one that the broker never books.

    Raises:
        ApiRefusal: a field is missing, unknown or malformed; nothing is announced.
    """
    if not isinstance(asked, Mapping) or set(asked) - _FIELDS:
        raise bad_parameter(f"action: an object of {', '.join(sorted(_FIELDS))} is expected")
    kind = next((it for it in KINDS if it == asked.get("kind")), None)
    if kind is None:
        raise bad_parameter(f"action: kind is one of {', '.join(KINDS)}")
    ex_date = _day(asked, "ex_date")
    symbol = _text(asked, "symbol")
    action = AnnouncedAction(
        action_id=str(stable_uuid("corporate action", kind, symbol, ex_date)),
        kind=kind,
        symbol=symbol,
        new_symbol=_text(asked, "new_symbol") if kind in _RENAMING else asked.get("new_symbol"),
        old_rate=_number(asked, "old_rate") if kind in _RATED else None,
        new_rate=_number(asked, "new_rate") if kind in _RATED else None,
        cash=_number(asked, "cash") if kind in _PAYING else None,
        ex_date=ex_date,
        payable_date=_day(asked, "payable_date") if asked.get("payable_date") else ex_date,
        listed=bool(asked.get("listed", True)),
        announced_at=now,
        processed_at=None if asked.get("processed", True) else now,
    )
    store.save(action)
    return action


def _text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value:
        raise bad_parameter(f"action: {name} is required")
    return value


def _number(asked: Mapping[str, Any], name: str) -> Decimal:
    try:
        number = Decimal(str(asked.get(name)))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number <= 0:
        raise bad_parameter(f"action: {name} is not a number above 0")
    return number


def _day(asked: Mapping[str, Any], name: str) -> str:
    try:
        return date.fromisoformat(str(asked.get(name))).isoformat()
    except ValueError as error:
        raise bad_parameter(f"action: {name} is a day as YYYY-MM-DD") from error
