"""Invariants of orders, fills and positions, and those that compare with the broker."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from ops_pipeline.domain.broker import BrokerFill, BrokerOrder, BrokerPosition

Invariant = Literal[
    "order_outcome_known",
    "order_equals_its_fills",
    "position_equals_its_orders",
    "entries_within_caps",
    "recommendation_final",
    "closed_position_has_one_history",
    "history_equals_fills",
    "fill_has_evidence",
    "rows_of_one_account",
    "broker_order_has_one_row",
    "position_equals_the_broker",
    "stock_is_protected",
]

# Shown to a person; an alert or `ops doctor` adds the rows.
MEANINGS: Mapping[Invariant, str] = {
    "order_outcome_known": "an order's outcome is unknown and no open alert names it",
    "order_equals_its_fills": "an order's filled quantity differs from the sum of its fills",
    "position_equals_its_orders": "a position differs from the sum of its orders",
    "entries_within_caps": "an account's holdings exceed its limits and no open alert says so",
    "recommendation_final": "a recommendation is past its time-out and not final",
    "closed_position_has_one_history": "closed positions and history rows do not match one to one",
    "history_equals_fills": "a verified P&L differs from its fills",
    "fill_has_evidence": "a fill or an execution lacks the evidence its account's mode demands",
    "rows_of_one_account": "a row refers to another account's or symbol's row",
    "broker_order_has_one_row": "our orders and the broker's differ",
    "position_equals_the_broker": "our position differs from the broker's",
    "stock_is_protected": "stock without a live stop or exit, and no critical alert names it",
}


@dataclass(frozen=True, slots=True, order=True)
class Breach:
    """One row that breaks one invariant; `subject` is its key, `message` says what is wrong."""

    invariant: Invariant
    account: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerRecords:
    """One account as its broker reports it at one moment.

    Attributes:
        orders: All orders of the period in question, open and ended.
        positions: All positions.
        fills: The executions of that period, None if they were not read.
    """

    orders: Sequence[BrokerOrder]
    positions: Sequence[BrokerPosition]
    fills: Sequence[BrokerFill] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOrder:
    """One order by our own row. `live`: it may still fill."""

    client_order_id: str
    broker_order_id: str | None
    filled_qty: Decimal
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRecords:
    """One account by our own rows.

    Attributes:
        orders: Every order of the account.
        positions: Quantity by symbol, of positions that are not closed.
        fill_ids: Fills that the broker reported.
    """

    orders: Sequence[LedgerOrder]
    positions: Mapping[str, Decimal]
    fill_ids: frozenset[str]


def against_broker(account: str, own: LedgerRecords, broker: BrokerRecords) -> list[Breach]:
    """Differences between our rows and the broker's; only meaningful while nothing moves."""
    return [
        *_orders(account, own.orders, broker.orders),
        *_positions(account, own.positions, broker.positions),
        *_fills(account, own.fill_ids, broker.fills),
    ]


def _orders(
    account: str, own: Iterable[LedgerOrder], listed: Sequence[BrokerOrder]
) -> Iterable[Breach]:
    rows = {order.client_order_id: order for order in own}
    times = Counter(order.client_order_id for order in listed)
    for order in listed:
        row = rows.get(order.client_order_id)
        message = _difference(row, order, times[order.client_order_id])
        if message is not None:
            yield Breach("broker_order_has_one_row", account, order.client_order_id, message)
    for row in rows.values():
        if row.live and row.broker_order_id is not None and row.client_order_id not in times:
            message = "live in our records, and the broker does not list it"
            yield Breach("broker_order_has_one_row", account, row.client_order_id, message)


def _difference(row: LedgerOrder | None, order: BrokerOrder, times: int) -> str | None:
    if row is None:
        return f"the broker has this order ({order.symbol}, {order.status}), we have no row"
    if times > 1:
        return f"the broker has {times} orders under this id"
    if row.broker_order_id != order.broker_order_id:
        return (
            f"broker id {row.broker_order_id} in our records, {order.broker_order_id} at the broker"
        )
    if row.filled_qty != order.filled_quantity:
        return f"filled {row.filled_qty} in our records, {order.filled_quantity} at the broker"
    return None


def _positions(
    account: str, own: Mapping[str, Decimal], listed: Iterable[BrokerPosition]
) -> Iterable[Breach]:
    theirs = {position.symbol: position.quantity for position in listed}
    for symbol in sorted({*own, *theirs}):
        mine, held = own.get(symbol, Decimal(0)), theirs.get(symbol, Decimal(0))
        if mine != held:
            message = f"{mine} in our records, {held} at the broker"
            yield Breach("position_equals_the_broker", account, symbol, message)


def _fills(
    account: str, own: frozenset[str], listed: Sequence[BrokerFill] | None
) -> Iterable[Breach]:
    if listed is None:
        return
    theirs = {fill.fill_id for fill in listed}
    for fill_id in sorted(own - theirs):
        yield Breach("fill_has_evidence", account, fill_id, "the broker has no such execution")
    for fill_id in sorted(theirs - own):
        message = "the broker reports this execution, we have no row"
        yield Breach("order_equals_its_fills", account, fill_id, message)
