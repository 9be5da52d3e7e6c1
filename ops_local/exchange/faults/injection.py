"""Injects a fault into one request: refuses it, alters its response, or drops the connection."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ops_local.exchange.api.wire import timestamp
from ops_local.exchange.faults.kinds import FaultKind
from ops_local.exchange.faults.rules import Rule
from ops_local.exchange.refusals import ApiRefusal, not_found

# Orders and fills younger than this are the ones that are not listed yet.
LISTING_DELAY = timedelta(minutes=2)
STALE_BY = timedelta(minutes=10)
CLOCK_SKEW = timedelta(minutes=3)

_BUSY = 42910000
_BROKEN = 50010000
_HALTED = 42210000


class DroppedConnection(Response):
    """Promises a body and closes before its first byte: the server drops what is unfinished."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": True})


def refusal(rule: Rule | None) -> ApiRefusal | None:
    """The refusal that this rule injects instead of carrying the request out, if it does."""
    match rule.kind if rule else None:
        case "too_many_requests":
            return ApiRefusal(429, _BUSY, "too many requests.")
        case "server_error":
            return ApiRefusal(503, _BROKEN, "service temporarily unavailable")
        case "halted_stock":
            return ApiRefusal(422, _HALTED, "trading in this asset is halted")
    return None


def altered(rule: Rule, answer: object, now: datetime) -> object:
    """The response with the fault in it; unchanged where the kind does not alter content.

    Raises:
        ApiRefusal: the order asked for is not listed yet.
    """
    change = _CHANGES.get(rule.kind)
    return answer if change is None else change(answer, now)


def garbled(rule: Rule | None, text: bytes) -> bytes:
    """The bytes of a response: legible HTTP, but not JSON for the kinds that break it."""
    match rule.kind if rule else None:
        case "malformed":
            return b"<html><body>Bad gateway</body></html>"
        case "truncated":
            return text[: len(text) // 2]
    return text


def _twice(answer: Any, _: datetime) -> Any:
    return [fill for fill in answer for _ in range(2)]


def _reversed(answer: Any, _: datetime) -> Any:
    return list(reversed(answer))


def _without_new_activities(answer: Any, now: datetime) -> Any:
    """Activities that are not executions have their time in another field."""
    return [
        it
        for it in answer
        if _age(it.get("transaction_time") or it["created_at"], now) > LISTING_DELAY
    ]


def _without_new_orders(answer: Any, now: datetime) -> Any:
    if isinstance(answer, list):
        return [order for order in answer if _age(order["submitted_at"], now) > LISTING_DELAY]
    if _age(answer["submitted_at"], now) > LISTING_DELAY:
        return answer
    raise not_found("order not found")


def _empty(_: Any, __: datetime) -> Any:
    return []


def _without_buying_power(answer: Any, _: datetime) -> Any:
    return {**answer, "buying_power": "1.00", "options_buying_power": "1.00"}


def _with_wrong_number(answer: Any, _: datetime) -> Any:
    return {**answer, "account_number": "PA-SOMEBODY-ELSE"}


def _ahead(answer: Any, _: datetime) -> Any:
    orders = answer if isinstance(answer, list) else [answer]
    changed = [
        {**order, **{name: _later(order[name]) for name in ("submitted_at", "updated_at")}}
        for order in orders
    ]
    return changed if isinstance(answer, list) else changed[0]


def _each_quote(
    change: Callable[[dict[str, Any]], dict[str, Any]],
) -> Callable[[Any, datetime], Any]:
    def inject(answer: Any, _: datetime) -> Any:
        quotes = answer["quotes"]
        return {**answer, "quotes": {name: {**it, **change(it)} for name, it in quotes.items()}}

    return inject


def _age(text: str, now: datetime) -> timedelta:
    return now - datetime.fromisoformat(text)


def _later(text: str | None) -> str | None:
    return None if text is None else timestamp(datetime.fromisoformat(text) + CLOCK_SKEW)


def _stale(quote: dict[str, Any]) -> dict[str, Any]:
    return {"t": timestamp(datetime.fromisoformat(quote["t"]) - STALE_BY)}


_CHANGES: Mapping[FaultKind, Callable[[Any, datetime], Any]] = {
    "duplicate_fills": _twice,
    "unordered_fills": _reversed,
    "late_fills": _without_new_activities,
    "not_listed": _without_new_orders,
    "no_positions": _empty,
    "no_buying_power": _without_buying_power,
    "wrong_account": _with_wrong_number,
    "clock_skew": _ahead,
    "stale_quote": _each_quote(_stale),
    "crossed_quote": _each_quote(lambda quote: {"bp": quote["ap"] + 1, "ap": quote["bp"]}),
    "zero_quote": _each_quote(lambda _: {"bp": 0.0, "bs": 0}),
}
