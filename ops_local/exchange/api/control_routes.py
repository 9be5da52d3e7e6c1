"""The control API, which no broker has: clock, faults, cash activities, the store's tables.

Unsigned, since the exchange listens on loopback only and its money is paper.
"""

import json
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ops_local.exchange import cash_activities
from ops_local.exchange.api import trading_answers
from ops_local.exchange.api.calls import Endpoint, json_response
from ops_local.exchange.api.wire import parse_timestamp, timestamp
from ops_local.exchange.exchange import Exchange
from ops_local.exchange.faults import rules
from ops_local.exchange.refusals import ApiRefusal, bad_json


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
    """Replace the rules in force (see `rules.read`); an empty object removes all."""
    exchange.faults = rules.read(_json(body))
    return {}


def add_activity(exchange: Exchange, body: bytes) -> object:
    """Move an account's cash without a trade (see `cash_activities.book`)."""
    booked = cash_activities.book(exchange.store, _json(body), exchange.now())
    return trading_answers.cash_activity(booked)


def get_tables(exchange: Exchange, _: bytes) -> object:
    """Every row of the store by table."""
    return exchange.store.tables()


def control(answer: Callable[[Exchange, bytes], object]) -> Endpoint:
    """Serve an unsigned call: run it in one transaction and write JSON."""

    async def serve(request: Request) -> Response:
        exchange: Exchange = request.app.state.exchange
        body = await request.body()
        try:
            with exchange.store.transaction():
                return json_response(answer(exchange, body))
        except ApiRefusal as refused:
            return json_response(refused.body, refused.status)

    return serve


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
    Route("/control/tables", control(get_tables), methods=["GET"]),
]
