"""Fields of an order request: each is parsed and validated, or refused in Alpaca's words."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from ops_local.exchange.records import OrderType, PositionIntent, Side, TimeInForce
from ops_local.exchange.refusals import (
    FORBIDDEN,
    ApiRefusal,
    bad_json,
    bad_parameter,
    unprocessable,
)

Fields = dict[str, Any]

_CENT = Decimal("0.01")
_HUNDREDTH_CENT = Decimal("0.0001")
_ID_LENGTH = 128
# The first one is the default.
_INTENTS: Mapping[Side, tuple[PositionIntent, ...]] = {
    "buy": ("buy_to_open", "buy_to_close"),
    "sell": ("sell_to_close", "sell_to_open"),
}
# Alpaca has these and this exchange does not: accepting and ignoring them would mislead.
_NOT_OFFERED = (
    "notional",
    "legs",
    "take_profit",
    "stop_loss",
    "trail_price",
    "trail_percent",
    "advanced_instructions",
)


def parse(body: bytes) -> Fields:
    try:
        fields = json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise bad_json() from error
    if not isinstance(fields, dict):
        raise bad_json()
    for name in _NOT_OFFERED:
        if fields.get(name) is not None:
            raise unprocessable(f"{name} is not offered by the paper exchange")
    if fields.get("extended_hours"):
        raise unprocessable("extended_hours is not offered by the paper exchange")
    if fields.get("order_class") not in (None, "", "simple"):
        raise unprocessable("only simple orders are offered by the paper exchange")
    return fields


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def symbol(fields: Fields) -> str:
    symbol = fields.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise bad_parameter("symbol is required")
    return symbol


def side(fields: Fields) -> Side:
    match fields.get("side"):
        case "buy":
            return "buy"
        case "sell":
            return "sell"
    raise bad_parameter("invalid side")


def order_type(fields: Fields) -> OrderType:
    match fields.get("type"):
        case "limit":
            return "limit"
        case "market":
            return "market"
        case "stop":
            return "stop"
        case None:
            raise bad_parameter("type is required")
    raise bad_parameter("invalid order type")


def time_in_force(value: object) -> TimeInForce:
    match value:
        case "day":
            return "day"
        case "gtc":
            return "gtc"
        case None:
            raise bad_parameter("time_in_force is required")
    raise bad_parameter("invalid time_in_force")


def position_intent(fields: Fields, side: Side) -> PositionIntent:
    given = fields.get("position_intent")
    for intent in _INTENTS[side]:
        if given in (None, intent):
            return intent
    raise bad_parameter("position_intent does not match the side")


def quantity(value: object) -> int:
    if value is None:
        raise bad_parameter("qty is required")
    quantity = _decimal(value, "qty")
    if quantity <= 0:
        raise unprocessable("qty must be > 0")
    if quantity != int(quantity):
        raise ApiRefusal(403, FORBIDDEN, "asset is not fractionable: qty must be an integer")
    return int(quantity)


def prices(fields: Fields, order_type: OrderType) -> tuple[Decimal | None, Decimal | None]:
    limit_price, stop_price = price(fields, "limit_price"), price(fields, "stop_price")
    wanted = {"limit": (True, False), "stop": (False, True), "market": (False, False)}
    needs_limit, needs_stop = wanted[order_type]
    if needs_limit != (limit_price is not None):
        need = "require" if needs_limit else "must not have"
        raise bad_parameter(f"{order_type} orders {need} a limit price")
    if needs_stop != (stop_price is not None):
        need = "require" if needs_stop else "must not have"
        raise bad_parameter(f"{order_type} orders {need} a stop price")
    return limit_price, stop_price


def price(fields: Fields, name: str) -> Decimal | None:
    if fields.get(name) is None:
        return None
    price = _decimal(fields[name], name)
    if price <= 0:
        raise unprocessable(f"{name} must be > 0")
    if price % (_CENT if price >= 1 else _HUNDREDTH_CENT):
        raise unprocessable(
            f"invalid {name} {price}. sub-penny increment does not fulfill minimum pricing criteria"
        )
    return price


def _decimal(value: object, name: str) -> Decimal:
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation as error:
        raise bad_parameter(f"{name} is not a number") from error
    if not number.is_finite() or abs(number) > 10**9:
        raise bad_parameter(f"{name} is not a number this exchange accepts")
    return number


def client_order_id(fields: Fields) -> str | None:
    given = fields.get("client_order_id")
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given) > _ID_LENGTH:
        raise bad_parameter(f"client_order_id must be no more than {_ID_LENGTH} characters")
    return given
