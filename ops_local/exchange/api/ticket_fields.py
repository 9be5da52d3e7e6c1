"""Fields of an order request: each is parsed and validated, or refused in Alpaca's words."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, get_args

from ops_local.exchange.refusals import (
    FORBIDDEN,
    ApiRefusal,
    bad_json,
    bad_parameter,
    unprocessable,
)
from ops_local.exchange.words import OrderType, PositionIntent, Side, TimeInForce

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
_NOT_OFFERED = ("notional", "legs", "take_profit", "stop_loss", "advanced_instructions")
# The prices that each type of order has, and needs; a trailing stop has one of two trails.
_PRICE_FIELDS = ("limit_price", "stop_price", "trail_price", "trail_percent")
_PRICES_OF: Mapping[OrderType, tuple[str, ...]] = {
    "market": (),
    "limit": ("limit_price",),
    "stop": ("stop_price",),
    "stop_limit": ("limit_price", "stop_price"),
    "trailing_stop": ("trail_price", "trail_percent"),
}
_RESTING: tuple[TimeInForce, ...] = ("day", "gtc")
_MOST_PERCENT = 100


def parse(body: bytes) -> Fields:
    try:
        fields = json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise bad_json() from error
    if not isinstance(fields, dict):
        raise bad_json()
    return fields


def require_supported(fields: Fields) -> None:
    """Refuse what Alpaca has and this exchange does not."""
    for name in _NOT_OFFERED:
        if fields.get(name) is not None:
            raise unprocessable(f"{name} is not offered by the paper exchange")
    if fields.get("extended_hours"):
        raise unprocessable("extended_hours is not offered by the paper exchange")
    if fields.get("order_class") not in (None, "", "simple"):
        raise unprocessable("only simple orders are offered by the paper exchange")


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
    given = fields.get("type")
    if given is None:
        raise bad_parameter("type is required")
    for name in _PRICES_OF:
        if given == name:
            return name
    raise bad_parameter("invalid order type")


def time_in_force(value: object) -> TimeInForce:
    if value is None:
        raise bad_parameter("time_in_force is required")
    choices: tuple[TimeInForce, ...] = get_args(TimeInForce)
    for name in choices:
        if value == name:
            return name
    raise bad_parameter("invalid time_in_force")


def require_combination(order_type: OrderType, time_in_force: TimeInForce) -> None:
    """Orders for an auction or for at once are market and limit orders."""
    if order_type not in ("market", "limit") and time_in_force not in _RESTING:
        raise bad_parameter(f"{order_type} orders must be day or gtc, not {time_in_force}")


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


def prices(fields: Fields, order_type: OrderType) -> tuple[Decimal | None, ...]:
    """Limit price, stop price, trail price and trail percent, those that the type has."""
    given = {name: price(fields, name) for name in _PRICE_FIELDS}
    of_type = _PRICES_OF[order_type]
    for name, value in given.items():
        words = name.replace("_", " ")
        if value is not None and name not in of_type:
            raise bad_parameter(f"{order_type} orders must not have a {words}")
        if value is None and name in of_type and order_type != "trailing_stop":
            raise bad_parameter(f"{order_type} orders require a {words}")
    trails = [
        value for value in (given["trail_price"], given["trail_percent"]) if value is not None
    ]
    if order_type == "trailing_stop" and len(trails) != 1:
        raise bad_parameter("trailing stop orders require either a trail price or a trail percent")
    if (given["trail_percent"] or 0) >= _MOST_PERCENT:
        raise unprocessable(f"trail_percent must be < {_MOST_PERCENT}")
    return tuple(given.values())


def price(fields: Fields, name: str) -> Decimal | None:
    if fields.get(name) is None:
        return None
    price = _decimal(fields[name], name)
    if price <= 0:
        raise unprocessable(f"{name} must be > 0")
    if name != "trail_percent" and price % (_CENT if price >= 1 else _HUNDREDTH_CENT):
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
