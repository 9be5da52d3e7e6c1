"""Injects a fault into one request: refuses it, garbles its response, drops the connection."""

from collections.abc import Collection

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ops_local.exchange.faults.rules import Rule
from ops_local.exchange.refusals import ApiRefusal

_BUSY = 42910000
_BROKEN = 50010000
_HALTED = 42210000


class DroppedConnection(Response):
    """Promises a body and closes before its first byte: the server drops what is unfinished."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": True})


def refusal(rule: Rule | None, symbols: Collection[str]) -> ApiRefusal | None:
    """The refusal that this rule injects instead of carrying the request out, if it does.

    Args:
        symbols: Those that the request asks for.
    """
    refused: ApiRefusal | None = None
    match rule:
        case Rule(kind="too_many_requests", retry_after_s=again):
            refused = ApiRefusal(429, _BUSY, "too many requests.", retry_after_s=again)
        case Rule(kind="invalid_symbol", symbol=symbol) if symbol in symbols:
            refused = ApiRefusal(400, None, f"invalid symbol: {symbol}")
        case Rule(kind="no_subscription"):
            words = "subscription does not permit querying recent SIP data"
            refused = ApiRefusal(403, None, words)
        case Rule(kind="server_error"):
            refused = ApiRefusal(503, _BROKEN, "service temporarily unavailable")
        case Rule(kind="halted_stock"):
            refused = ApiRefusal(422, _HALTED, "trading in this asset is halted")
    return refused


def garbled(rule: Rule | None, text: bytes) -> bytes:
    """The bytes of a response: legible HTTP, but not JSON for the kinds that break it."""
    match rule.kind if rule else None:
        case "malformed":
            return b"<html><body>Bad gateway</body></html>"
        case "truncated":
            return text[: len(text) // 2]
    return text
