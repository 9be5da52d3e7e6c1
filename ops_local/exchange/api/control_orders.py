"""Orders as a person, or the venue, acts on them: without the account's keys.

`order` is a broker's order id or a client_order_id.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, get_args

from ops_local.exchange.api import ticket_fields
from ops_local.exchange.api.read_tickets import ticket_of
from ops_local.exchange.exchange import Exchange
from ops_local.exchange.records import ExchangeOrder
from ops_local.exchange.refusals import bad_parameter, not_found, unprocessable
from ops_local.exchange.words import EndStatus


def place(exchange: Exchange, asked: Any) -> ExchangeOrder:
    """Place `{"account": "large", "symbol": "AAA", "qty": "5", "side": "buy", ...}` by hand.

    The fields are those of POST /v2/orders; no order fault is injected.
    """
    fields = dict(_object(asked))
    account_number = _account_number(exchange, fields)
    del fields["account"]
    ticket = ticket_of(fields)
    return exchange.order_entry.place(account_number, ticket, exchange.now())


def end(exchange: Exchange, asked: Any) -> ExchangeOrder:
    """End a live order: `{"account": "large", "order": "...", "status": "rejected"}`."""
    fields = _object(asked)
    order = _order(exchange, fields)
    if not order.live:
        raise unprocessable(f'order is already in "{order.status}" state')
    statuses: tuple[EndStatus, ...] = get_args(EndStatus)
    for status in statuses:
        if fields.get("status") == status:
            return exchange.order_events.end(order, status, exchange.now())
    raise bad_parameter(f"order: status is one of {', '.join(statuses)}")


def fill(exchange: Exchange, asked: Any) -> ExchangeOrder:
    """Fill an order, whatever its status: `{"account": "large", "order": "...", "qty": "5"}`."""
    fields = _object(asked)
    order = _order(exchange, fields)
    qty = ticket_fields.quantity(fields.get("qty"))
    price: Decimal | None = ticket_fields.price(dict(fields), "price")
    return exchange.order_events.fill(order, qty, price, exchange.now())


def forget(exchange: Exchange, asked: Any) -> None:
    """Lose an order without fills: `{"account": "large", "order": "..."}`."""
    order = _order(exchange, _object(asked))
    exchange.order_events.forget(order, exchange.now())


def _object(asked: Any) -> Mapping[str, Any]:
    if not isinstance(asked, Mapping):
        raise bad_parameter("order: an object is expected")
    return asked


def _account_number(exchange: Exchange, fields: Mapping[str, Any]) -> str:
    for ledger in exchange.store.ledgers():
        if ledger.name == fields.get("account"):
            return ledger.account_number
    raise bad_parameter(f"order: no account {fields.get('account')}")


def _order(exchange: Exchange, fields: Mapping[str, Any]) -> ExchangeOrder:
    number, named = _account_number(exchange, fields), str(fields.get("order"))
    order = exchange.store.order(number, named) or exchange.store.order_by_client_id(number, named)
    if order is None:
        raise not_found(f"order not found for {named}")
    return order
