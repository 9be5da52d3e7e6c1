"""The control API, which no broker has: clock, faults, conditions, holdings, orders, tables.

It needs the token that the exchange was started with: on loopback every user of the machine is
heard, and every page that a browser shows.
"""

import hmac
import json
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ops_local.exchange import cash_activities, set_conditions, transfers
from ops_local.exchange.api import control_orders, order_answers
from ops_local.exchange.api.calls import Endpoint, json_response
from ops_local.exchange.api.wire import parse_timestamp, timestamp
from ops_local.exchange.corporate import announcing
from ops_local.exchange.exchange import Exchange
from ops_local.exchange.faults import read_rules
from ops_local.exchange.refusals import ApiRefusal, bad_json, forbidden, unauthorized


def get_clock(exchange: Exchange, _: bytes) -> object:
    return {"now": timestamp(exchange.now())}


def set_clock(exchange: Exchange, body: bytes) -> object:
    """Move the clock to `{"now": "2013-10-07T14:31:00Z"}`."""
    now = parse_timestamp(_now_field(body), "now")
    exchange.session_clock.move(exchange.now(), now)
    return {"now": timestamp(now)}


def get_faults(exchange: Exchange, _: bytes) -> object:
    """Count the faults injected since the rules were set, by kind."""
    return exchange.faults.injected


def set_faults(exchange: Exchange, body: bytes) -> object:
    """Replace the rules in force (see `read_rules.read`); an empty object removes all."""
    exchange.faults = read_rules.read(_json(body), exchange.now())
    return {}


def set_account(exchange: Exchange, body: bytes) -> object:
    """Set an account's condition (see `set_conditions.set_account`)."""
    set_conditions.set_account(exchange.store, _json(body))
    return {}


def set_asset(exchange: Exchange, body: bytes) -> object:
    """Set an asset's condition (see `set_conditions.set_asset`)."""
    set_conditions.set_asset(exchange.store, _json(body), exchange.symbols())
    return {}


def set_halt(exchange: Exchange, body: bytes) -> object:
    """Halt or resume trading in a symbol (see `set_conditions.set_halt`)."""
    asked = _json(body)
    symbol = set_conditions.set_halt(exchange.store, asked, exchange.symbols(), exchange.now())
    exchange.show_halts(symbol)
    return {}


def set_behaviour(exchange: Exchange, body: bytes) -> object:
    """Set a behaviour (see `set_conditions.set_behaviour`)."""
    set_conditions.set_behaviour(exchange.store, _json(body))
    return {}


def rotate_keys(exchange: Exchange, body: bytes) -> object:
    """Replace an account's keys (see `set_conditions.rotate_keys`)."""
    set_conditions.rotate_keys(exchange.keys, _json(body))
    return {}


def add_holding(exchange: Exchange, body: bytes) -> object:
    """Add a holding from before, or from elsewhere (see `transfers.add`)."""
    transfers.add(exchange.store, _json(body), exchange.now())
    return {}


def place_order(exchange: Exchange, body: bytes) -> object:
    return order_answers.fresh_order(control_orders.place(exchange, _json(body)))


def end_order(exchange: Exchange, body: bytes) -> object:
    return order_answers.order(control_orders.end(exchange, _json(body)))


def fill_order(exchange: Exchange, body: bytes) -> object:
    return order_answers.order(control_orders.fill(exchange, _json(body)))


def forget_order(exchange: Exchange, body: bytes) -> object:
    control_orders.forget(exchange, _json(body))
    return {}


def add_activity(exchange: Exchange, body: bytes) -> object:
    """Move an account's cash without a trade (see `cash_activities.book`)."""
    booked = cash_activities.book(exchange.store, _json(body), exchange.now())
    return order_answers.cash_activity(booked)


def add_action(exchange: Exchange, body: bytes) -> object:
    """Announce a corporate action (see `announcing.announce`)."""
    return {"id": announcing.announce(exchange.store, _json(body), exchange.now()).action_id}


def get_tables(exchange: Exchange, _: bytes) -> object:
    """Every row of the store by table."""
    return exchange.store.tables()


def control(answer: Callable[[Exchange, bytes], object]) -> Endpoint:
    """Serve a call that has the token: run it in one transaction and write JSON."""

    async def serve(request: Request) -> Response:
        exchange: Exchange = request.app.state.exchange
        try:
            _require_control(request)
            body = await request.body()
            with exchange.store.transaction():
                return json_response(answer(exchange, body))
        except ApiRefusal as refused:
            return json_response(refused.body, refused.status)

    return serve


def _require_control(request: Request) -> None:
    """Refuse a page in a browser, by name or by Origin, and whoever lacks the token."""
    state, headers = request.app.state, request.headers
    if headers.get("host") not in state.hosts or "origin" in headers:
        raise forbidden()
    wanted = f"Bearer {state.control_token}"
    if not hmac.compare_digest(headers.get("authorization", "").encode(), wanted.encode()):
        raise unauthorized()


def _now_field(body: bytes) -> str:
    fields = _json(body)
    now = fields.get("now") if isinstance(fields, dict) else None
    if not isinstance(now, str):
        raise bad_json()
    return now


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError as error:
        raise bad_json() from error


ROUTES = [
    Route("/control/clock", control(get_clock), methods=["GET"]),
    Route("/control/clock", control(set_clock), methods=["POST"]),
    Route("/control/faults", control(get_faults), methods=["GET"]),
    Route("/control/faults", control(set_faults), methods=["POST"]),
    Route("/control/activities", control(add_activity), methods=["POST"]),
    Route("/control/corporate-actions", control(add_action), methods=["POST"]),
    Route("/control/holdings", control(add_holding), methods=["POST"]),
    Route("/control/accounts", control(set_account), methods=["POST"]),
    Route("/control/keys", control(rotate_keys), methods=["POST"]),
    Route("/control/assets", control(set_asset), methods=["POST"]),
    Route("/control/halts", control(set_halt), methods=["POST"]),
    Route("/control/behaviours", control(set_behaviour), methods=["POST"]),
    Route("/control/orders", control(place_order), methods=["POST"]),
    Route("/control/orders/end", control(end_order), methods=["POST"]),
    Route("/control/orders/fill", control(fill_order), methods=["POST"]),
    Route("/control/orders/forget", control(forget_order), methods=["POST"]),
    Route("/control/tables", control(get_tables), methods=["GET"]),
]
