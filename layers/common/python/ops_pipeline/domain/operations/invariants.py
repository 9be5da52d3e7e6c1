"""Invariants of orders, fills and positions, and those that compare with the broker."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from ops_pipeline.domain.broker import BrokerFill, BrokerOrder, BrokerPosition
from ops_pipeline.domain.holdings.external import besides
from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.domain.orders import is_own_kind, may_still_fill

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
    "fees_equal_charges",
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
    "fees_equal_charges": "the settled fees of an account's day are not what its broker charged",
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
        illegible: Items of these lists that could not be read. What is missing is no difference
            if one of them may be it; they have alerts of their own.
    """

    orders: Sequence[BrokerOrder]
    positions: Sequence[BrokerPosition]
    fills: Sequence[BrokerFill] | None = None
    illegible: Sequence[IllegibleItem] = ()

    def may_hold(self, symbol: str) -> bool:
        return any(it.kind == "position" and it.may_be_of(symbol) for it in self.illegible)

    def may_list(self, order: "LedgerOrder") -> bool:
        return any(
            it.kind == "order"
            and it.may_be_order(order.client_order_id, order.broker_order_id, order.symbol)
            for it in self.illegible
        )

    def may_have_filled(self) -> bool:
        return any(it.kind == "fill" for it in self.illegible)


@dataclass(frozen=True, slots=True)
class Period:
    """What a comparison is about; None on a side leaves it open.

    Attributes:
        since: The broker's lists begin here, so that an older row of ours may be missing there.
        settled_before: What either side did from here on may not have reached the other yet.
    """

    since: datetime | None = None
    settled_before: datetime | None = None

    def covers(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and not self.may_move(at)

    def may_move(self, at: datetime) -> bool:
        return self.settled_before is not None and at >= self.settled_before


# All there ever was, of two sides at rest.
AT_REST = Period()


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOrder:
    """One order by our own row. `live`: it may still fill."""

    client_order_id: str
    broker_order_id: str | None
    symbol: str
    filled_qty: Decimal
    live: bool
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRecords:
    """One account by our own rows.

    Attributes:
        orders: Every order of the account, or of the period with some time before it.
        positions: Quantity by symbol, of positions that are not closed.
        fills: When each fill that the broker reported was executed, of the same time.
        external: Quantity by symbol of what was there before the first run.
        looked_at: When that was found out: what other hands had ordered and ended by then is
            in it.
    """

    orders: Sequence[LedgerOrder]
    positions: Mapping[str, Decimal]
    fills: Mapping[str, datetime]
    external: Mapping[str, Decimal] = field(default_factory=dict)
    looked_at: datetime | None = None

    def was_before(self, at: datetime) -> bool:
        return self.looked_at is not None and at < self.looked_at


def against_broker(
    account: str, own: LedgerRecords, broker: BrokerRecords, period: Period = AT_REST
) -> list[Breach]:
    """Differences between our rows and the broker's, but for what may still be moving."""
    broker = _traded_here(broker)
    moving = _moving(own, broker, period)
    found = [
        *_orders(account, own, broker, period),
        *_positions(account, own, broker),
        *_fills(account, own, broker, period),
    ]
    return [breach for breach in found if breach.subject not in moving]


def _traded_here(broker: BrokerRecords) -> BrokerRecords:
    """The records without asset classes that are not traded here."""
    others = {order.broker_order_id for order in broker.orders if not order.is_traded_here}
    fills = broker.fills
    return replace(
        broker,
        orders=[it for it in broker.orders if it.is_traded_here],
        positions=[it for it in broker.positions if it.is_traded_here],
        fills=None if fills is None else [f for f in fills if f.broker_order_id not in others],
    )


def _moving(own: LedgerRecords, broker: BrokerRecords, period: Period) -> frozenset[str]:
    """Orders, symbols and fills that changed on either side too shortly ago."""
    sent = [row for row in own.orders if period.may_move(row.decided_at)]
    updated = [order for order in broker.orders if period.may_move(order.updated_at)]
    fills = [fill for fill in broker.fills or () if period.may_move(fill.executed_at)]
    return frozenset(
        [
            *(subject for row in sent for subject in (row.client_order_id, row.symbol)),
            *(subject for order in updated for subject in (order.client_order_id, order.symbol)),
            *(subject for fill in fills for subject in (fill.fill_id, fill.symbol)),
        ]
    )


def _orders(
    account: str, own: LedgerRecords, broker: BrokerRecords, period: Period
) -> Iterable[Breach]:
    listed = broker.orders
    rows = {order.client_order_id: order for order in own.orders}
    times = Counter(order.client_order_id for order in listed)
    for order in listed:
        row = rows.get(order.client_order_id)
        if row is None and (_made_what_was_before(order, own) or _waits_for_a_quantity(order)):
            continue
        message = _difference(row, order, times[order.client_order_id])
        if message is not None:
            yield Breach("broker_order_has_one_row", account, order.client_order_id, message)
    for row in rows.values():
        due = row.live and row.broker_order_id is not None and period.covers(row.decided_at)
        if due and row.client_order_id not in times and not broker.may_list(row):
            message = "live in our records, and the broker does not list it"
            yield Breach("broker_order_has_one_row", account, row.client_order_id, message)


def without_row(order: BrokerOrder) -> str:
    return f"the broker has this order ({order.symbol}, {order.status}), we have no row"


def _made_what_was_before(order: BrokerOrder, own: LedgerRecords) -> bool:
    """Whether somebody else's order had ended before the account was looked at first."""
    by_hand = not is_own_kind(order.client_order_id)
    return by_hand and not may_still_fill(order) and own.was_before(order.updated_at)


def _waits_for_a_quantity(order: BrokerOrder) -> bool:
    """Whether somebody's order can have no row yet; while it may fill, an alert names it."""
    return order.has_no_quantity and not is_own_kind(order.client_order_id)


def _difference(row: LedgerOrder | None, order: BrokerOrder, times: int) -> str | None:
    if row is None:
        return without_row(order)
    if times > 1:
        return f"the broker has {times} orders under this id"
    if row.broker_order_id != order.broker_order_id:
        return (
            f"broker id {row.broker_order_id} in our records, {order.broker_order_id} at the broker"
        )
    if row.filled_qty != order.filled_quantity:
        return f"filled {row.filled_qty} in our records, {order.filled_quantity} at the broker"
    return None


def _positions(account: str, own: LedgerRecords, broker: BrokerRecords) -> Iterable[Breach]:
    """Ours and what was there before, of which the operator may have sold, are the broker's."""
    there = {position.symbol: position.quantity for position in broker.positions}
    theirs = besides(there, own.positions, own.external)
    for symbol in sorted({*own.positions, *theirs}):
        mine, held = own.positions.get(symbol, Decimal(0)), theirs.get(symbol, Decimal(0))
        if mine != held and not broker.may_hold(symbol):
            message = f"{mine} in our records, {held} at the broker"
            yield Breach("position_equals_the_broker", account, symbol, message)


def _fills(
    account: str, own: LedgerRecords, broker: BrokerRecords, period: Period
) -> Iterable[Breach]:
    if broker.fills is None:
        return
    theirs = {fill.fill_id for fill in broker.fills}
    ours = {order.broker_order_id for order in own.orders}
    before = {
        fill.fill_id
        for fill in broker.fills
        if fill.broker_order_id not in ours and own.was_before(fill.executed_at)
    }
    due = {fill_id for fill_id, executed_at in own.fills.items() if period.covers(executed_at)}
    due = set() if broker.may_have_filled() else due
    for fill_id in sorted(due - theirs):
        yield Breach("fill_has_evidence", account, fill_id, "the broker has no such execution")
    for fill_id in sorted(theirs - own.fills.keys() - before):
        message = "the broker reports this execution, we have no row"
        yield Breach("order_equals_its_fills", account, fill_id, message)
