"""Alpaca's JSON read into our own records, field by field.

We read it ourselves, since alpaca-py's models fail a whole list on one word they do
not know. What we decide on must be there and legible; whatever else a record holds
is left alone.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, TypeVar

from ops_pipeline.adapters import alpaca_words
from ops_pipeline.adapters.items import Illegible, described, read_each, text_of
from ops_pipeline.domain.broker import (
    BrokerAccount,
    BrokerCashActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    OrderRequest,
    Side,
)
from ops_pipeline.domain.legible import IllegibleItem, ItemKind, Listing, is_legible
from ops_pipeline.domain.market import Session, new_york_time

T = TypeVar("T")

_PRICE_FIELDS = {"limit": "limit_price", "stop": "stop_price"}
_LONGEST_TEXT = 200
# Beyond these a number is a mistake, and no column or sum should have to hold it.
_LARGEST = Decimal(10) ** 15
_MOST_DECIMALS = 12
_TRADED_ON = re.compile(r"\bon (\d{4}-\d\d-\d\d)\b", re.ASCII)
_A_WORD = re.compile(r"[A-Z.]{1,12}", re.ASCII)


def order_fields(order: OrderRequest) -> dict[str, str]:
    """The body of POST /v2/orders.

    Every sale is marked as one that closes: the broker itself then refuses what would
    open a short.
    """
    fields = {
        "symbol": order.symbol,
        "qty": format(order.quantity, "f"),
        "side": order.side,
        "type": order.order_type,
        "time_in_force": order.time_in_force,
        "client_order_id": order.client_order_id,
        "position_intent": "buy_to_open" if order.side == "buy" else "sell_to_close",
    }
    if order.price is not None:
        fields[_PRICE_FIELDS[order.order_type]] = format(order.price, "f")
    return fields


def items_of(answer: object) -> list[object]:
    """The raw items of a list."""
    if not isinstance(answer, list):
        raise Illegible("the answer is no JSON list")
    return answer


def each(kind: ItemKind, items: list[object], understand: Callable[[object], T]) -> Listing[T]:
    """The items of a list, each read by itself."""
    return read_each(items, understand, partial(_described, kind))


def orders(items: list[object]) -> Listing[BrokerOrder]:
    """The orders of a list; of a combination of options, which only a hand places, its legs."""
    return each("order", [each_one for item in items for each_one in _legs(item)], order)


def _legs(item: object) -> list[object]:
    """The legs of a combination; any other order, and a combination without legs, itself."""
    legs = (
        item.get("legs") if isinstance(item, dict) and item.get("order_class") == "mleg" else None
    )
    return legs if isinstance(legs, list) and legs else [item]


def _described(kind: ItemKind, item: object, reason: str) -> IllegibleItem:
    """As much of an item as is legible, so that it is known what it may be about."""
    symbol, own_id = text_of(item, "symbol"), text_of(item, "id")
    if kind != "order":
        name, order_id = own_id or symbol, text_of(item, "order_id")
        return described(kind, item, reason, name=name, symbol=symbol, broker_order_id=order_id)
    client_order_id = text_of(item, "client_order_id")
    return described(
        kind,
        item,
        reason,
        name=client_order_id or own_id,
        symbol=symbol,
        client_order_id=client_order_id,
        broker_order_id=own_id,
        has_ended=text_of(item, "status") in alpaca_words.ENDED,
    )


def submitted_at(answer: object) -> datetime:
    """When an order was submitted."""
    raw = _record(answer)
    return _moment(raw, "submitted_at" if raw.get("submitted_at") else "created_at")


def order(answer: object) -> BrokerOrder:
    """One order. One placed by hand in dollars counts what it filled as its quantity.

    Nothing is decided on its type: the legs of a combination have an empty one.
    """
    raw = _record(answer)
    filled = _not_negative(raw, "filled_qty")
    submitted = submitted_at(raw)
    word = _text(raw, "status")
    return BrokerOrder(
        broker_order_id=_text(raw, "id"),
        client_order_id=_text(raw, "client_order_id"),
        symbol=_text(raw, "symbol"),
        side=_side(raw),
        order_type=text_of(raw, "type") or "",
        quantity=filled if raw.get("qty") is None else _not_negative(raw, "qty"),
        filled_quantity=filled,
        filled_average_price=_price_or_none(raw, "filled_avg_price"),
        limit_price=None if raw.get("limit_price") is None else _decimal(raw, "limit_price"),
        stop_price=None if raw.get("stop_price") is None else _decimal(raw, "stop_price"),
        notional=None if raw.get("notional") is None else _decimal(raw, "notional"),
        status=alpaca_words.order_status(word),
        raw_status=word,
        submitted_at=submitted,
        updated_at=_moment(raw, "updated_at") if raw.get("updated_at") else submitted,
        asset_class=_asset_class(raw),
    )


def fill(answer: object) -> BrokerFill:
    raw = _record(answer)
    return BrokerFill(
        fill_id=_text(raw, "id"),
        broker_order_id=_text(raw, "order_id"),
        symbol=_text(raw, "symbol"),
        side=_side(raw),
        quantity=_positive(raw, "qty"),
        price=_positive(raw, "price"),
        executed_at=_moment(raw, "transaction_time"),
    )


def cash_activity(answer: object) -> BrokerCashActivity:
    """What moved money without a trade; one without an amount moved securities alone.

    One that the broker canceled moved nothing after all, and says nothing of any shares.
    """
    raw = _record(answer)
    stands = raw.get("status") != "canceled"
    moved = raw.get("net_amount") is not None and stands
    word = _text(raw, "activity_type")
    found = BrokerCashActivity(
        activity_id=_text(raw, "id"),
        kind=alpaca_words.cash_kind(word) if stands else "other",
        raw_kind=word,
        amount=_decimal(raw, "net_amount") if moved else Decimal(0),
        created_at=_moment(raw, "created_at") if raw.get("created_at") else _day(raw, "date"),
        symbol=text_of(raw, "symbol"),
    )
    return _with_fee(raw, found) if found.kind == "fee" else found


def _with_fee(raw: Mapping[str, Any], found: BrokerCashActivity) -> BrokerCashActivity:
    """The activity with the fee it is, and the trade date: one that is told late names it."""
    description, kind = text_of(raw, "description") or "", text_of(raw, "activity_sub_type")
    fee = alpaca_words.FEE_KIND.get(kind or description.partition(" ")[0])
    named = _TRADED_ON.search(description)
    days = (named.group(1) if named else "", (text_of(raw, "date") or "")[:10])
    unknown = kind if fee is None and kind and _A_WORD.fullmatch(kind) else None
    return replace(
        found,
        raw_kind=found.raw_kind if unknown is None else f"{found.raw_kind} {unknown}",
        fee=fee,
        charged_for=next((day for text in days if (day := _date_or_none(text))), None),
    )


def _date_or_none(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def position(answer: object) -> BrokerPosition:
    raw = _record(answer)
    side = _text(raw, "side")
    if side not in ("long", "short"):
        raise Illegible("side is neither long nor short")
    sign = -1 if side == "short" else 1
    return BrokerPosition(
        symbol=_text(raw, "symbol"),
        quantity=sign * abs(_decimal(raw, "qty")),
        available=sign * abs(_decimal(raw, "qty_available")),
        average_entry_price=_decimal(raw, "avg_entry_price"),
        asset_class=_text(raw, "asset_class"),
        price=_above_zero(_told(raw, "current_price")),
        close_before=_above_zero(_told(raw, "lastday_price")),
        day_gain=_told(raw, "unrealized_intraday_pl"),
    )


def is_tradable(answer: object) -> bool:
    raw = _record(answer)
    return _flag(raw, "tradable") and _text(raw, "status") == "active"


def account(answer: object) -> BrokerAccount:
    """The account; one without the options fields is not enabled for options.

    A status that is unknown, or is no text, blocks orders and is no reason not to read the rest.
    """
    raw = _record(answer)
    status = str(raw.get("status"))
    blocks = [why for name, why in alpaca_words.BLOCKING_FLAGS.items() if _flag(raw, name)]
    if (why := alpaca_words.why_status_blocks(status)) is not None:
        blocks.insert(0, why)
    with_options = raw.get("options_trading_level") is not None
    return BrokerAccount(
        account_number=_text(raw, "account_number"),
        raw_status=status,
        trading_blocked=bool(blocks),
        why_blocked="; ".join(blocks) or None,
        no_shorting=not _flag(raw, "shorting_enabled"),
        cash=_decimal(raw, "cash"),
        equity=_decimal(raw, "equity"),
        last_equity=_decimal(raw, "last_equity"),
        buying_power=_decimal(raw, "buying_power"),
        options_buying_power=_decimal(raw, "options_buying_power") if with_options else Decimal(0),
        options_trading_level=int(_decimal(raw, "options_trading_level")) if with_options else 0,
    )


def long_only(answer: object) -> bool:
    """Of the account's configuration: whether it may never go short."""
    return _flag(_record(answer), "no_shorting")


def market_time(answer: object) -> datetime:
    return _moment(_record(answer), "timestamp")


def session(answer: object) -> Session:
    """One day of the calendar; its hours are New York's."""
    raw = _record(answer)
    day = date.fromisoformat(_text(raw, "date"))
    opens, closes = (time.fromisoformat(_text(raw, name)) for name in ("open", "close"))
    return Session(
        day,
        new_york_time(day, opens.hour, opens.minute),
        new_york_time(day, closes.hour, closes.minute),
    )


def _record(answer: object) -> Mapping[str, Any]:
    if not isinstance(answer, dict):
        raise Illegible("the answer is no JSON object")
    return answer


def _flag(raw: Mapping[str, Any], name: str) -> bool:
    value = raw.get(name)
    if not isinstance(value, bool):
        raise Illegible(f"{name} is neither true nor false")
    return value


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not value:
        raise Illegible(f"{name} is missing or no text")
    if len(value) > _LONGEST_TEXT or not is_legible(value):
        raise Illegible(f"{name} is no text that can be stored")
    return value


def _decimal(raw: Mapping[str, Any], name: str) -> Decimal:
    value = raw.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Illegible(f"{name} is missing or no number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise Illegible(f"{name} is no number") from None
    if not number.is_finite():
        raise Illegible(f"{name} is no finite number")
    if abs(number) >= _LARGEST or number != round(number, _MOST_DECIMALS):
        raise Illegible(f"{name} is no plausible number")
    return number


def _not_negative(raw: Mapping[str, Any], name: str) -> Decimal:
    number = _decimal(raw, name)
    if number < 0:
        raise Illegible(f"{name} is below 0")
    return number


def _positive(raw: Mapping[str, Any], name: str) -> Decimal:
    number = _decimal(raw, name)
    if number <= 0:
        raise Illegible(f"{name} is not above 0")
    return number


def _asset_class(raw: Mapping[str, Any]) -> str:
    """Of an order; the legs of a combination may have none, and are securities."""
    pair = "/" in (text_of(raw, "symbol") or "")
    return text_of(raw, "asset_class") or ("crypto" if pair else "us_equity")


def _told(raw: Mapping[str, Any], name: str) -> Decimal | None:
    """A figure that is not needed to know what is held; None where it is not legible."""
    try:
        return _decimal(raw, name)
    except Illegible:
        return None


def _above_zero(number: Decimal | None) -> Decimal | None:
    return number if number is not None and number > 0 else None


def _price_or_none(raw: Mapping[str, Any], name: str) -> Decimal | None:
    """None too for what no price can be: what filled waits for the price of its fills."""
    if raw.get(name) is None:
        return None
    price = _decimal(raw, name)
    return price if price > 0 else None


def _moment(raw: Mapping[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(raw, name))
    except ValueError:
        raise Illegible(f"{name} is no time") from None
    if moment.tzinfo is None:
        raise Illegible(f"{name} has no time zone")
    return moment.astimezone(UTC)


def _day(raw: Mapping[str, Any], name: str) -> datetime:
    """A date, as the moment at which it begins in New York; or a moment as it is."""
    text = _text(raw, name)
    try:
        return new_york_time(date.fromisoformat(text), 0)
    except ValueError:
        return _moment(raw, name)


def _side(raw: Mapping[str, Any]) -> Side:
    """Activities also say sell_short; for us a sale is a sale."""
    match raw.get("side"):
        case "buy":
            return "buy"
        case "sell" | "sell_short":
            return "sell"
        case _:
            raise Illegible("side is neither buy nor sell")
