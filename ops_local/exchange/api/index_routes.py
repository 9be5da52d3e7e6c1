"""Alpaca's market data API for indices: of a recording, the volatility index at its last close."""

from datetime import datetime, timedelta

from starlette.routing import Route

from ops_local.exchange.api.calls import ApiCall, endpoint
from ops_local.exchange.api.wire import timestamp
from ops_local.exchange.market.sessions import session_on_or_before
from ops_local.exchange.refusals import bad_query, not_subscribed

Answer = dict[str, object]

_VIX = "VIX"
# The index is computed for a quarter of an hour after the close of stocks.
_AFTER_THE_CLOSE = timedelta(minutes=15)


def list_values(call: ApiCall) -> Answer:
    """The known values from `start` to `end`, both included: one at most, and so one page."""
    call.whole_number("limit", default=1000, most=10_000)
    call.one_of("sort", ("asc", "desc"))
    start, end = call.timestamp("start"), call.timestamp("end") or call.now
    known = {
        symbol: [_value(at, level)]
        for symbol, (at, level) in _known(call).items()
        if at <= end and (start is None or start <= at)
    }
    return {"values": known, "next_page_token": None}


def latest_values(call: ApiCall) -> Answer:
    return {"values": {symbol: _value(*known) for symbol, known in _known(call).items()}}


def _known(call: ApiCall) -> dict[str, tuple[datetime, float]]:
    """Time and value of each index that is asked for and known by now."""
    symbols = call.symbols()
    if not symbols:
        raise bad_query("symbols is required")
    if call.exchange.store.behaviour("indices") == "refused":
        raise not_subscribed("index data")
    tape = call.exchange.tape
    at = session_on_or_before(tape.day - timedelta(days=1)).closes_at + _AFTER_THE_CLOSE
    if tape.vix_before is None or _VIX not in symbols or at > call.now:
        return {}
    return {_VIX: (at, tape.vix_before)}


def _value(at: datetime, level: float) -> Answer:
    return {"t": timestamp(at), "v": level}


ROUTES = [
    Route("/v1beta1/indices/values", endpoint(list_values), methods=["GET"]),
    Route("/v1beta1/indices/latest/values", endpoint(latest_values), methods=["GET"]),
]
