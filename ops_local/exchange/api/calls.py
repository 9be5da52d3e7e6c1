"""Serves each signed request: finds its account, runs it in one transaction, writes JSON.

SQLite is used synchronously on the event loop, so that requests are served one by one and
the same requests always leave the same store.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from ops_local.exchange.accounts import PaperAccount
from ops_local.exchange.api.wire import parse_timestamp
from ops_local.exchange.exchange import Exchange
from ops_local.exchange.faults.alterations import altered
from ops_local.exchange.faults.injection import DroppedConnection, garbled, refusal
from ops_local.exchange.faults.rules import Rule
from ops_local.exchange.refusals import ApiRefusal, bad_query, unauthorized


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request of one account."""

    exchange: Exchange
    account: PaperAccount
    request: Request
    body: bytes
    now: datetime

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])

    def text(self, name: str, default: str) -> str:
        return self.request.query_params.get(name) or default

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        """A query parameter out of a fixed choice; the first one is the default."""
        value = self.text(name, allowed[0])
        if value not in allowed:
            raise bad_query(f"invalid {name}: {value!r}, one of {', '.join(allowed)} is expected")
        return value

    def whole_number(self, name: str, *, default: int, most: int) -> int:
        value = self.text(name, str(default))
        if not value.isdecimal() or not 1 <= int(value) <= most:
            raise bad_query(f"invalid {name}: {value!r}, expected 1 to {most}")
        return int(value)

    def timestamp(self, name: str) -> datetime | None:
        value = self.request.query_params.get(name)
        return parse_timestamp(value, name) if value else None

    def symbols(self) -> list[str]:
        """The comma-separated symbols, sorted and without repetition; empty when left out."""
        return sorted({symbol for symbol in self.text("symbols", "").split(",") if symbol})


@dataclass(frozen=True, slots=True)
class Reply:
    """A response with a status other than 200; a body of None is empty."""

    status: HTTPStatus
    body: object = None


Endpoint = Callable[[Request], Awaitable[Response]]


def endpoint(answer: Callable[[ApiCall], object]) -> Endpoint:
    """Make an HTTP endpoint of a function that answers one call."""

    async def serve(request: Request) -> Response:
        exchange: Exchange = request.app.state.exchange
        body = await request.body()
        fault = _fault(exchange, request)
        if fault is not None and fault.kind == "not_heard":
            return DroppedConnection()
        try:
            response = _answered(exchange, request, body, answer, fault)
        except ApiRefusal as refused:
            response = json_response(refused.body, refused.status)
            response.headers.update(refused.headers)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        return DroppedConnection() if fault is not None and fault.kind == "reply_lost" else response

    return serve


def _fault(exchange: Exchange, request: Request) -> Rule | None:
    account = exchange.keys.name_of(request.headers.get("APCA-API-KEY-ID", ""))
    return exchange.faults.draw(request.method, request.url.path, account, exchange.now())


def _answered(
    exchange: Exchange,
    request: Request,
    body: bytes,
    answer: Callable[[ApiCall], object],
    fault: Rule | None,
) -> Response:
    account = _account(exchange, request)
    symbols = request.query_params.get("symbols", "").split(",")
    if refused := refusal(fault, symbols):
        raise refused
    now = exchange.now()
    with exchange.store.transaction():
        given = answer(ApiCall(exchange, account, request, body, now))
    reply = given if isinstance(given, Reply) else Reply(HTTPStatus.OK, given)
    if reply.body is None:
        return Response(status_code=reply.status)
    if fault is None:
        return json_response(reply.body, reply.status)
    response = json_response(altered(fault, reply.body, now), reply.status)
    text = garbled(fault, bytes(response.body))
    return Response(text, reply.status, media_type="application/json")


def json_response(body: object, status: int = 200) -> Response:
    text = json.dumps(body, separators=(",", ":"))
    return Response(text, status_code=status, media_type="application/json")


def _account(exchange: Exchange, request: Request) -> PaperAccount:
    account = exchange.keys.account(
        request.headers.get("APCA-API-KEY-ID", ""),
        request.headers.get("APCA-API-SECRET-KEY", ""),
    )
    if account is None:
        raise unauthorized()
    return account
