"""Converts records to SQLite rows and back."""

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar, get_args, get_type_hints

from ops_local.exchange.conditions import AccountCondition, AssetCondition, Behaviour, SymbolHalt
from ops_local.exchange.faults.order_faults import OrderFault, VanishedOrder
from ops_local.exchange.records import (
    AnnouncedAction,
    CashActivity,
    ClosingPrice,
    DayEnd,
    DividendClaim,
    ExchangeFill,
    ExchangeLedger,
    ExchangeOrder,
    Holding,
    TransferredHolding,
)

Record = (
    ExchangeOrder
    | ExchangeFill
    | CashActivity
    | AnnouncedAction
    | DividendClaim
    | Holding
    | TransferredHolding
    | ExchangeLedger
    | DayEnd
    | ClosingPrice
    | AccountCondition
    | AssetCondition
    | SymbolHalt
    | Behaviour
    | OrderFault
    | VanishedOrder
)
RecordType = TypeVar("RecordType", bound=Record)

TABLE_OF: dict[type, str] = {
    ExchangeOrder: "orders",
    ExchangeFill: "fills",
    CashActivity: "cash_activities",
    AnnouncedAction: "announced_actions",
    DividendClaim: "dividend_claims",
    Holding: "positions",
    TransferredHolding: "transferred_holdings",
    ExchangeLedger: "accounts",
    DayEnd: "day_ends",
    ClosingPrice: "closing_prices",
    AccountCondition: "account_conditions",
    AssetCondition: "asset_conditions",
    SymbolHalt: "symbol_halts",
    Behaviour: "behaviours",
    OrderFault: "order_faults",
    VanishedOrder: "vanished_orders",
}
_KEY_OF: dict[type, str] = {
    ExchangeOrder: "order_id",
    ExchangeFill: "activity_id",
    CashActivity: "activity_id",
    AnnouncedAction: "action_id",
    DividendClaim: "action_id, account_number",
    Holding: "account_number, symbol",
    TransferredHolding: "account_number, symbol",
    ExchangeLedger: "account_number",
    DayEnd: "account_number, day",
    ClosingPrice: "symbol, day",
    AccountCondition: "account_number",
    AssetCondition: "symbol",
    SymbolHalt: "symbol, halted_at",
    Behaviour: "name",
    OrderFault: "order_id, kind",
    VanishedOrder: "order_id",
}


def stamp(moment: datetime) -> str:
    """A time as UTC text of fixed length, so that text sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def upsert(kind: type) -> str:
    """The statement that writes a row over the one with the same key.

    A conflict with any other constraint is an error.
    """
    return _UPSERTS[kind]


def to_row(record: Record) -> list[str | int | None]:
    return [_to_sql(getattr(record, name)) for name in _TYPES[type(record)]]


def from_row(kind: type[RecordType], row: sqlite3.Row) -> RecordType:
    return kind(**{name: _from_sql(row[name], type_) for name, type_ in _TYPES[kind].items()})


def _not_null(hint: object) -> object:
    choices = get_args(hint)
    if type(None) not in choices:
        return hint
    return next(choice for choice in choices if choice is not type(None))


def _to_sql(value: Any) -> str | int | None:
    if isinstance(value, datetime):
        return stamp(value)
    return str(value) if isinstance(value, Decimal) else value


def _from_sql(value: Any, type_: object) -> Any:
    if value is None:
        return None
    if type_ is Decimal:
        return Decimal(value)
    if type_ is bool:
        return bool(value)
    return datetime.fromisoformat(value) if type_ is datetime else value


def _upsert(kind: type, names: Iterable[str]) -> str:
    columns = tuple(names)
    marks = ", ".join("?" for _ in columns)
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
    return (
        f"INSERT INTO {TABLE_OF[kind]} ({', '.join(columns)}) VALUES ({marks})"
        f" ON CONFLICT ({_KEY_OF[kind]}) DO UPDATE SET {changes}"
    )


# Each column with the type of its values, None excluded.
_TYPES = {
    kind: {name: _not_null(hint) for name, hint in get_type_hints(kind).items()}
    for kind in TABLE_OF
}
_UPSERTS = {kind: _upsert(kind, names) for kind, names in _TYPES.items()}
