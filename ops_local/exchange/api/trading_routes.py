"""Alpaca's trading API: account, assets, orders and positions."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from starlette.routing import Route

from ops_local.exchange.api import order_answers
from ops_local.exchange.api import trading_answers as answers
from ops_local.exchange.api.calls import ApiCall, Reply, endpoint
from ops_local.exchange.api.read_tickets import read_amendment, read_ticket
from ops_local.exchange.conditions import AccountCondition
from ops_local.exchange.margin import held_for_sale
from ops_local.exchange.records import ExchangeOrder, Holding
from ops_local.exchange.refusals import bad_query, not_found
from ops_pipeline.domain.market import new_york_day

Answer = dict[str, object]


def get_account(call: ApiCall) -> Answer:
    number = call.account.account_number
    return answers.account(
        call.exchange.store.ledger(number),
        call.exchange.valuation.balances(number, call.now),
        call.exchange.valuation.last_equity(number, call.now),
        _condition(call),
    )


def get_configurations(call: ApiCall) -> Answer:
    return answers.configurations(_condition(call))


def _condition(call: ApiCall) -> AccountCondition:
    """The account's condition, `no_shorting` as it was opened unless that was set since."""
    condition = call.exchange.store.account_condition(call.account.account_number)
    if condition.no_shorting is None:
        return replace(condition, no_shorting=call.account.no_shorting)
    return condition


def list_assets(call: ApiCall) -> list[Answer]:
    """Active shares unless asked otherwise."""
    status = call.text("status", "active")
    if call.text("asset_class", "us_equity") != "us_equity":
        return []
    conditions = map(call.exchange.store.asset_condition, sorted(call.exchange.symbols()))
    return [answers.asset(condition) for condition in conditions if condition.status == status]


def get_asset(call: ApiCall) -> Answer:
    wanted = call.path("symbol_or_id")
    for symbol in call.exchange.symbols():
        if wanted in (symbol, answers.asset_id(symbol)):
            return answers.asset(call.exchange.store.asset_condition(symbol))
    raise not_found(f"asset not found for {wanted}")


def place_order(call: ApiCall) -> Answer:
    ticket = read_ticket(call.body)
    order = call.exchange.order_entry.place(
        call.account.account_number,
        ticket,
        call.now,
        lambda taken: call.exchange.faults.draw_for_order(taken, call.account.name, call.now),
    )
    return order_answers.fresh_order(order)


def list_orders(call: ApiCall) -> list[Answer]:
    """Newest first by default; `after` and `until` are exclusive."""
    limit = call.whole_number("limit", default=50, most=500)
    asked_for = _order_filter(call)
    found = [o for o in call.exchange.store.orders(call.account.account_number) if asked_for(o)]
    if call.one_of("direction", ("desc", "asc")) == "desc":
        found.reverse()
    return [order_answers.order(order) for order in found[:limit]]


def _order_filter(call: ApiCall) -> Callable[[ExchangeOrder], bool]:
    status = call.one_of("status", ("open", "closed", "all"))
    after, until, symbols = call.timestamp("after"), call.timestamp("until"), call.symbols()
    side = call.text("side", "")
    return lambda order: (
        (status == "all" or order.live == (status == "open"))
        and (after is None or order.submitted_at > after)
        and (until is None or order.submitted_at < until)
        and (not symbols or order.symbol in symbols)
        and side in ("", order.side)
    )


def get_order(call: ApiCall) -> Answer:
    return order_answers.order(
        call.exchange.order_entry.find(call.account.account_number, call.path("order_id"))
    )


def get_order_by_client_id(call: ApiCall) -> Answer:
    client_order_id = call.text("client_order_id", "")
    if not client_order_id:
        raise bad_query("client_order_id is required")
    return order_answers.order(
        call.exchange.order_entry.find_by_client_id(call.account.account_number, client_order_id)
    )


def replace_order(call: ApiCall) -> Answer:
    order = call.exchange.order_entry.replace(
        call.account.account_number,
        call.path("order_id"),
        read_amendment(call.body),
        call.now,
    )
    return order_answers.fresh_order(order)


def cancel_order(call: ApiCall) -> Reply:
    call.exchange.order_entry.cancel(call.account.account_number, call.path("order_id"), call.now)
    return Reply(HTTPStatus.NO_CONTENT)


def cancel_orders(call: ApiCall) -> Reply:
    canceled = call.exchange.order_entry.cancel_all(call.account.account_number, call.now)
    body = [{"id": order.order_id, "status": 200} for order in canceled]
    return Reply(HTTPStatus.MULTI_STATUS, body)


def list_positions(call: ApiCall) -> list[Answer]:
    """Shares, then other asset classes, each by symbol."""
    number = call.account.account_number
    holdings = call.exchange.store.holdings(number)
    others = call.exchange.valuation.other_assets(number)
    return [
        *(_position(call, holding) for holding in holdings),
        *(answers.other_position(other) for other in others),
    ]


def get_position(call: ApiCall) -> Answer:
    wanted = call.path("symbol_or_id")
    for position in list_positions(call):
        if wanted in (position["symbol"], position["asset_id"]):
            return position
    raise not_found("position does not exist")


def _position(call: ApiCall, holding: Holding) -> Answer:
    live = call.exchange.store.live_orders(holding.account_number)
    return answers.position(
        holding,
        price=call.exchange.valuation.mark(holding, call.now),
        last_day_price=call.exchange.valuation.last_day_price(holding, call.now),
        opened_today=new_york_day(holding.opened_at) == new_york_day(call.now),
        for_sale=held_for_sale(live, holding.symbol),
    )


ROUTES = [
    Route("/v2/account", endpoint(get_account), methods=["GET"]),
    Route("/v2/account/configurations", endpoint(get_configurations), methods=["GET"]),
    Route("/v2/assets", endpoint(list_assets), methods=["GET"]),
    Route("/v2/assets/{symbol_or_id}", endpoint(get_asset), methods=["GET"]),
    Route("/v2/orders", endpoint(list_orders), methods=["GET"]),
    Route("/v2/orders", endpoint(place_order), methods=["POST"]),
    Route("/v2/orders", endpoint(cancel_orders), methods=["DELETE"]),
    Route("/v2/orders:by_client_order_id", endpoint(get_order_by_client_id), methods=["GET"]),
    Route("/v2/orders/{order_id}", endpoint(get_order), methods=["GET"]),
    Route("/v2/orders/{order_id}", endpoint(replace_order), methods=["PATCH"]),
    Route("/v2/orders/{order_id}", endpoint(cancel_order), methods=["DELETE"]),
    Route("/v2/positions", endpoint(list_positions), methods=["GET"]),
    Route("/v2/positions/{symbol_or_id}", endpoint(get_position), methods=["GET"]),
]
