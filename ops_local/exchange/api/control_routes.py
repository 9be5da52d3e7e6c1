"""What no broker has: a clock to be moved, and the books of all accounts laid open.

Unsigned, for the exchange listens on loopback only and its money is paper.
"""

import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ops_local.exchange import cash_activities, faults
from ops_local.exchange.api import trading_answers
from ops_local.exchange.api.calls import json_response
from ops_local.exchange.api.wire import moment, read_moment
from ops_local.exchange.exchange import Exchange
from ops_local.exchange.refusals import ApiRefusal, bad_json


async def get_clock(request: Request) -> Response:
    exchange: Exchange = request.app.state.exchange
    return json_response({"now": moment(exchange.now())})


async def set_clock(request: Request) -> Response:
    exchange: Exchange = request.app.state.exchange
    body = await request.body()
    try:
        now = read_moment(_now_field(body), "now")
        with exchange.store.transaction():
            exchange.session_clock.move(exchange.now(), now)
    except ApiRefusal as refused:
        return json_response(refused.body, refused.status)
    return json_response({"now": moment(now)})


async def set_faults(request: Request) -> Response:
    """From now on these go wrong, and no others; none at all for an empty object."""
    exchange: Exchange = request.app.state.exchange
    body = await request.body()
    try:
        exchange.faults = faults.read(_json(body))
    except ApiRefusal as refused:
        return json_response(refused.body, refused.status)
    return json_response({})


async def get_faults(request: Request) -> Response:
    """How often each kind has happened since the rules were set."""
    exchange: Exchange = request.app.state.exchange
    return json_response(exchange.faults.happened)


async def add_activity(request: Request) -> Response:
    """Move an account's money without a trade (see `treasury.book`)."""
    exchange: Exchange = request.app.state.exchange
    body = await request.body()
    try:
        with exchange.store.transaction():
            booked = cash_activities.book(exchange.store, _json(body), exchange.now())
    except ApiRefusal as refused:
        return json_response(refused.body, refused.status)
    return json_response(trading_answers.cash_activity(booked))


async def get_books(request: Request) -> Response:
    exchange: Exchange = request.app.state.exchange
    return json_response(exchange.store.dump())


def _now_field(body: bytes) -> str:
    try:
        now = json.loads(body)["now"]
    except (ValueError, KeyError, TypeError) as error:
        raise bad_json() from error
    if not isinstance(now, str):
        raise bad_json()
    return now


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError as error:
        raise bad_json() from error


ROUTES = [
    Route("/control/faults", get_faults, methods=["GET"]),
    Route("/control/faults", set_faults, methods=["POST"]),
    Route("/control/clock", get_clock, methods=["GET"]),
    Route("/control/clock", set_clock, methods=["POST"]),
    Route("/control/activities", add_activity, methods=["POST"]),
    Route("/control/books", get_books, methods=["GET"]),
]
