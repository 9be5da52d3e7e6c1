"""Alpaca's account activities: executions, and cash that moved without one."""

from collections.abc import Mapping
from datetime import datetime

from starlette.routing import Route

from ops_local.exchange.api import order_answers
from ops_local.exchange.api.calls import ApiCall, endpoint
from ops_local.exchange.records import CashActivity, ExchangeFill
from ops_local.exchange.refusals import bad_query
from ops_pipeline.domain.market import new_york_day

_PAGE = 100
_CATEGORIES = ("", "trade_activity", "non_trade_activity")
# TRANS stands for both kinds of cash transactions.
_GROUPS = {"TRANS": frozenset({"CSD", "CSW"})}


def list_activities(call: ApiCall) -> list[Mapping[str, object]]:
    types, category = call.text("activity_types", ""), call.one_of("category", _CATEGORIES)
    if types and category:
        raise bad_query("category and activity_types can't be used together")
    if types:
        return _page(call, [it for it in _all(call) if _type(it) in _wanted(types.split(","))])
    kind = {"trade_activity": ExchangeFill, "non_trade_activity": CashActivity}.get(
        category, object
    )
    return _page(call, [it for it in _all(call) if isinstance(it, kind)])


def list_activities_of_type(call: ApiCall) -> list[Mapping[str, object]]:
    wanted = _wanted([call.path("activity_type")])
    return _page(call, [it for it in _all(call) if _type(it) in wanted])


def _all(call: ApiCall) -> list[ExchangeFill | CashActivity]:
    """All activities, oldest first: ids start with their time.

    Alpaca has added a filter by order_id that its published API does not have yet.
    """
    store, number = call.exchange.store, call.account.account_number
    every: list[ExchangeFill | CashActivity] = [
        *store.fills(number),
        *store.cash_activities(number),
    ]
    order_id = call.text("order_id", "")
    if order_id and store.behaviour("activities_order_id") == "honoured":
        every = [it for it in store.fills(number) if it.order_id == order_id]
    return sorted(every, key=lambda it: it.activity_id)


def _wanted(types: list[str]) -> frozenset[str]:
    return frozenset().union(*(_GROUPS.get(name, frozenset({name})) for name in types))


def _page(call: ApiCall, found: list[ExchangeFill | CashActivity]) -> list[Mapping[str, object]]:
    """One page after the activity that `page_token` names; newest first by default."""
    size = call.whole_number("page_size", default=_PAGE, most=_PAGE)
    if call.one_of("direction", ("desc", "asc")) == "desc":
        found.reverse()
    token = call.text("page_token", "")
    if token:
        ids = [it.activity_id for it in found]
        if token not in ids:
            raise bad_query(f"invalid page_token: {token!r}")
        found = found[ids.index(token) + 1 :]
    return [_answer(it) for it in found if _is_within(call, _at(it))][:size]


def _is_within(call: ApiCall, at: datetime) -> bool:
    after, until, day = call.timestamp("after"), call.timestamp("until"), call.timestamp("date")
    return (
        (after is None or at > after)
        and (until is None or at < until)
        and (day is None or new_york_day(at) == new_york_day(day))
    )


def _type(it: ExchangeFill | CashActivity) -> str:
    return "FILL" if isinstance(it, ExchangeFill) else it.activity_type


def _at(it: ExchangeFill | CashActivity) -> datetime:
    return it.executed_at if isinstance(it, ExchangeFill) else it.created_at


def _answer(it: ExchangeFill | CashActivity) -> Mapping[str, object]:
    return (
        order_answers.fill(it) if isinstance(it, ExchangeFill) else order_answers.cash_activity(it)
    )


ROUTES = [
    Route("/v2/account/activities", endpoint(list_activities), methods=["GET"]),
    Route(
        "/v2/account/activities/{activity_type}",
        endpoint(list_activities_of_type),
        methods=["GET"],
    ),
]
