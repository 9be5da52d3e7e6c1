"""Order requests as they arrive: read, checked for form, refused in Alpaca's words."""

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from ops_local.exchange.refusals import FORBIDDEN, Refused, bad_json, bad_parameter, unprocessable
from ops_pipeline.domain.broker import OrderType, Side, TimeInForce

_CENT = Decimal("0.01")
_HUNDREDTH_CENT = Decimal("0.0001")
_ID_LENGTH = 128
_INTENTS = {
    "buy": ("buy_to_open", "buy_to_close"),
    "sell": ("sell_to_close", "sell_to_open"),
}
# Offered by Alpaca and used by nobody here; to accept them in silence would be a lie.
_NOT_OFFERED = (
    "notional",
    "legs",
    "take_profit",
    "stop_loss",
    "trail_price",
    "trail_percent",
    "advanced_instructions",
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """An order as somebody asks for it; `client_order_id` is None when left to us."""

    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    qty: int
    limit_price: Decimal | None
    stop_price: Decimal | None
    client_order_id: str | None
    position_intent: str
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a replacement changes; None leaves the old order's value."""

    qty: int | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    time_in_force: TimeInForce | None
    client_order_id: str | None


def read_ticket(body: bytes) -> Ticket:
    """Read the body of a new order.

    Raises:
        Refused: not JSON, or a field is missing, odd, or not offered here.
    """
    fields = _fields(body)
    order_type = _order_type(fields)
    limit_price, stop_price = _prices(fields, order_type)
    side = _side(fields)
    return Ticket(
        symbol=_symbol(fields),
        side=side,
        order_type=order_type,
        time_in_force=_time_in_force(fields.get("time_in_force")),
        qty=_quantity(fields.get("qty")),
        limit_price=limit_price,
        stop_price=stop_price,
        client_order_id=_client_order_id(fields),
        position_intent=_intent(fields, side),
    )


def read_amendment(body: bytes) -> Amendment:
    """Read the body of a replacement. Raises Refused as `read_ticket` does."""
    fields = _fields(body)
    tif = fields.get("time_in_force")
    return Amendment(
        qty=None if fields.get("qty") is None else _quantity(fields["qty"]),
        limit_price=_price(fields, "limit_price"),
        stop_price=_price(fields, "stop_price"),
        time_in_force=None if tif is None else _time_in_force(tif),
        client_order_id=_client_order_id(fields),
    )


def _fields(body: bytes) -> dict[str, Any]:
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


def _symbol(fields: dict[str, Any]) -> str:
    symbol = fields.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise bad_parameter("symbol is required")
    return symbol


def _side(fields: dict[str, Any]) -> Side:
    match fields.get("side"):
        case "buy":
            return "buy"
        case "sell":
            return "sell"
    raise bad_parameter("invalid side")


def _order_type(fields: dict[str, Any]) -> OrderType:
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


def _time_in_force(value: object) -> TimeInForce:
    match value:
        case "day":
            return "day"
        case "gtc":
            return "gtc"
        case None:
            raise bad_parameter("time_in_force is required")
    raise bad_parameter("invalid time_in_force")


def _intent(fields: dict[str, Any], side: Side) -> str:
    given = fields.get("position_intent")
    if given is None:
        return _INTENTS[side][0]
    if given not in _INTENTS[side]:
        raise bad_parameter("position_intent does not match the side")
    return str(given)


def _quantity(value: object) -> int:
    if value is None:
        raise bad_parameter("qty is required")
    quantity = _decimal(value, "qty")
    if quantity <= 0:
        raise unprocessable("qty must be > 0")
    if quantity != int(quantity):
        raise Refused(403, FORBIDDEN, "asset is not fractionable: qty must be an integer")
    return int(quantity)


def _prices(fields: dict[str, Any], order_type: OrderType) -> tuple[Decimal | None, Decimal | None]:
    limit_price, stop_price = _price(fields, "limit_price"), _price(fields, "stop_price")
    wanted = {"limit": (True, False), "stop": (False, True), "market": (False, False)}
    needs_limit, needs_stop = wanted[order_type]
    if needs_limit != (limit_price is not None):
        need = "require" if needs_limit else "must not have"
        raise bad_parameter(f"{order_type} orders {need} a limit price")
    if needs_stop != (stop_price is not None):
        need = "require" if needs_stop else "must not have"
        raise bad_parameter(f"{order_type} orders {need} a stop price")
    return limit_price, stop_price


def _price(fields: dict[str, Any], name: str) -> Decimal | None:
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
        raise bad_parameter(f"{name} is not a number this exchange deals in")
    return number


def _client_order_id(fields: dict[str, Any]) -> str | None:
    given = fields.get("client_order_id")
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given) > _ID_LENGTH:
        raise bad_parameter(f"client_order_id must be no more than {_ID_LENGTH} characters")
    return given
