"""Alpaca's account activities: executions only, for nothing else happens here."""

from collections.abc import Callable, Mapping

from starlette.routing import Route

from ops_local.exchange import trading_answers as answers
from ops_local.exchange.calls import Call, endpoint
from ops_local.exchange.records import Fill
from ops_local.exchange.refusals import bad_query
from ops_pipeline.domain.market import new_york_day

_FILL = "FILL"
_PAGE = 100


def list_activities(call: Call) -> list[Mapping[str, object]]:
    types = call.text("activity_types", _FILL).split(",")
    wanted = _FILL in types and call.text("category", "trade_activity") == "trade_activity"
    return _page(call) if wanted else []


def list_activities_of_type(call: Call) -> list[Mapping[str, object]]:
    return _page(call) if call.path("activity_type") == _FILL else []


def _page(call: Call) -> list[Mapping[str, object]]:
    """One page, newest first unless asked otherwise, after the activity `page_token` names."""
    size = call.whole_number("page_size", default=_PAGE, most=_PAGE)
    fills = call.exchange.store.fills(call.account.account_number)
    if call.one_of("direction", ("desc", "asc")) == "desc":
        fills.reverse()
    token = call.text("page_token", "")
    if token:
        ids = [fill.activity_id for fill in fills]
        if token not in ids:
            raise bad_query(f"invalid page_token: {token!r}")
        fills = fills[ids.index(token) + 1 :]
    return [answers.fill(fill) for fill in filter(_fill_filter(call), fills)][:size]


def _fill_filter(call: Call) -> Callable[[Fill], bool]:
    after, until, day = call.moment("after"), call.moment("until"), call.moment("date")
    return lambda fill: (
        (after is None or fill.executed_at > after)
        and (until is None or fill.executed_at < until)
        and (day is None or new_york_day(fill.executed_at) == new_york_day(day))
    )


ROUTES = [
    Route("/v2/account/activities", endpoint(list_activities), methods=["GET"]),
    Route(
        "/v2/account/activities/{activity_type}",
        endpoint(list_activities_of_type),
        methods=["GET"],
    ),
]
