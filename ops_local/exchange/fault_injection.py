"""How an answer is spoiled: what is refused, what is changed, what is cut off."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ops_local.exchange.api.wire import moment
from ops_local.exchange.faults import LATE, SKEW, STALE, Rule
from ops_local.exchange.refusals import ApiRefusal, not_found

_BUSY = 42910000
_BROKEN = 50010000
_HALTED = 42210000


class CutOff(Response):
    """Promises a body and hangs up before its first byte: the server closes what is unfinished."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": True})


def refusal(rule: Rule | None) -> ApiRefusal | None:
    """What the exchange says instead of doing it; None where it does it."""
    match rule.kind if rule else None:
        case "too_many_requests":
            return ApiRefusal(429, _BUSY, "too many requests.")
        case "server_error":
            return ApiRefusal(503, _BROKEN, "service temporarily unavailable")
        case "halted_stock":
            return ApiRefusal(422, _HALTED, "trading in this asset is halted")
    return None


def spoiled(rule: Rule, answer: object, now: datetime) -> object:
    """The answer as this rule would have it; as it is where the rule does not change it.

    Raises:
        Refused: an order that is not listed yet.
    """
    change = _CHANGES.get(rule.kind)
    return answer if change is None else change(answer, now)


def cut(rule: Rule | None, text: bytes) -> bytes:
    """The bytes of an answer: legible HTTP, and no JSON."""
    match rule.kind if rule else None:
        case "malformed":
            return b"<html><body>Bad gateway</body></html>"
        case "truncated":
            return text[: len(text) // 2]
    return text


def _twice(answer: Any, _: datetime) -> Any:
    return [fill for fill in answer for _ in range(2)]


def _backwards(answer: Any, _: datetime) -> Any:
    return list(reversed(answer))


def _late_fills(answer: Any, now: datetime) -> Any:
    """Activities without an execution know their time by another name."""
    return [it for it in answer if _age(it.get("transaction_time") or it["created_at"], now) > LATE]


def _late_orders(answer: Any, now: datetime) -> Any:
    if isinstance(answer, list):
        return [order for order in answer if _age(order["submitted_at"], now) > LATE]
    if _age(answer["submitted_at"], now) > LATE:
        return answer
    raise not_found("order not found")


def _nothing(_: Any, __: datetime) -> Any:
    return []


def _no_buying_power(answer: Any, _: datetime) -> Any:
    return {**answer, "buying_power": "1.00", "options_buying_power": "1.00"}


def _wrong_account(answer: Any, _: datetime) -> Any:
    return {**answer, "account_number": "PA-SOMEBODY-ELSE"}


def _skewed(answer: Any, _: datetime) -> Any:
    orders = answer if isinstance(answer, list) else [answer]
    changed = [
        {**order, **{name: _later(order[name]) for name in ("submitted_at", "updated_at")}}
        for order in orders
    ]
    return changed if isinstance(answer, list) else changed[0]


def _quotes(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any, datetime], Any]:
    def spoil(answer: Any, _: datetime) -> Any:
        quotes = answer["quotes"]
        return {**answer, "quotes": {name: {**it, **change(it)} for name, it in quotes.items()}}

    return spoil


def _age(text: str, now: datetime) -> timedelta:
    return now - datetime.fromisoformat(text)


def _later(text: str | None) -> str | None:
    return None if text is None else moment(datetime.fromisoformat(text) + SKEW)


_CHANGES: Mapping[str, Callable[[Any, datetime], Any]] = {
    "duplicate_fills": _twice,
    "unordered_fills": _backwards,
    "late_fills": _late_fills,
    "not_listed": _late_orders,
    "no_positions": _nothing,
    "no_buying_power": _no_buying_power,
    "wrong_account": _wrong_account,
    "clock_skew": _skewed,
    "stale_quote": _quotes(lambda quote: {"t": moment(datetime.fromisoformat(quote["t"]) - STALE)}),
    "crossed_quote": _quotes(lambda quote: {"bp": quote["ap"] + 1, "ap": quote["bp"]}),
    "zero_quote": _quotes(lambda _: {"bp": 0.0, "bs": 0}),
}
