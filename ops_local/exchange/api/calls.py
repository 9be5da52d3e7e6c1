"""The one door of the HTTP side: who calls, in one transaction, answered in JSON.

SQLite is used synchronously on the event loop, so that requests are served one by one:
that is what makes the same requests leave the same store.
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
from ops_local.exchange.api.wire import read_moment
from ops_local.exchange.exchange import Exchange
from ops_local.exchange.fault_injection import CutOff, cut, refusal, spoiled
from ops_local.exchange.faults import Rule
from ops_local.exchange.refusals import ApiRefusal, bad_query, unauthorized


@dataclass(frozen=True, slots=True)
class Call:
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
        """A query parameter with a fixed choice; the first one is the default."""
        value = self.text(name, allowed[0])
        if value not in allowed:
            raise bad_query(f"invalid {name}: {value!r}, one of {', '.join(allowed)} is expected")
        return value

    def whole_number(self, name: str, *, default: int, most: int) -> int:
        value = self.text(name, str(default))
        if not value.isdecimal() or not 1 <= int(value) <= most:
            raise bad_query(f"invalid {name}: {value!r}, expected 1 to {most}")
        return int(value)

    def moment(self, name: str) -> datetime | None:
        value = self.request.query_params.get(name)
        return read_moment(value, name) if value else None

    def symbols(self) -> list[str]:
        """The comma-separated symbols asked for, sorted, each once; none when left out."""
        return sorted({symbol for symbol in self.text("symbols", "").split(",") if symbol})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with another status than 200; a body of None is an empty one."""

    status: HTTPStatus
    body: object = None


Endpoint = Callable[[Request], Awaitable[Response]]


def endpoint(answer: Callable[[Call], object]) -> Endpoint:
    """Serve a signed call: find its account, run it in one transaction, write JSON."""

    async def serve(request: Request) -> Response:
        exchange: Exchange = request.app.state.exchange
        body = await request.body()
        fault = exchange.faults.drawn(request.method, request.url.path)
        if fault is not None and fault.kind == "not_heard":
            return CutOff()
        try:
            response = _answered(exchange, request, body, answer, fault)
        except ApiRefusal as refused:
            response = json_response(refused.body, refused.status)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        return CutOff() if fault is not None and fault.kind == "reply_lost" else response

    return serve


def _answered(
    exchange: Exchange,
    request: Request,
    body: bytes,
    answer: Callable[[Call], object],
    fault: Rule | None,
) -> Response:
    account = _account(exchange, request)
    if refused := refusal(fault):
        raise refused
    now = exchange.now()
    with exchange.store.transaction():
        given = answer(Call(exchange, account, request, body, now))
    reply = given if isinstance(given, Reply) else Reply(HTTPStatus.OK, given)
    if reply.body is None:
        return Response(status_code=reply.status)
    told = reply.body if fault is None else spoiled(fault, reply.body, now)
    response = json_response(told, reply.status)
    if fault is None:
        return response
    return Response(cut(fault, bytes(response.body)), reply.status, media_type="application/json")


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
