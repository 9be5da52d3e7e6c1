"""Updates live orders and their fills from the broker."""

from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from ops_pipeline.db import orders
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.orders import (
    FILLS_WATCHED_FOR,
    UNSETTLED,
    WATCHED_FOR,
    Order,
    disagreement,
    may_be_listed,
    may_still_fill,
)
from ops_pipeline.errors import BrokerUnavailable
from ops_pipeline.execution import lost_orders, unbooked_facts
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport, report_of
from ops_pipeline.execution.isolation import isolated, what_failed
from ops_pipeline.execution.order_gateway import STOPS_THE_RUN, OrderGateway
from ops_pipeline.ports import Broker

# An order that could not be settled, and why.
Failure = tuple[Order, Exception]
# Our clock and the broker's may differ: start a little before the first decision.
_EARLIER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Synced:
    """How many orders were compared, how many changed, and which could not be.

    Attributes:
        symbols: Of the orders that could not be.
        listed: Whether the broker's lists could be read at all.
    """

    looked_at: int
    changed: int
    failures: tuple[str, ...]
    symbols: frozenset[str] = frozenset()
    listed: bool = True


NOTHING = Synced(0, 0, ())


@dataclass(frozen=True, slots=True)
class _Watched:
    """Orders to update, and ended ones that may still turn out to be placed or to have filled."""

    known: Sequence[Order]
    ended: Sequence[Order]

    @property
    def names(self) -> Set[str]:
        return {order.client_order_id for order in (*self.known, *self.ended)}

    def __bool__(self) -> bool:
        return bool(self.known or self.ended)


def sync(ctx: AccountContext, db: UnitsOfWork, gateway: OrderGateway) -> Synced:
    """Settle every live order, and book what is told of an order after its end.

    A ledger without an order of these days may have lost some: the broker is asked for them.
    """
    with db.transaction() as tx:
        watched = _watched(tx, ctx.name, ctx.now())
    unread = _look_back(ctx, db, gateway)
    if gateway.broker is None or not watched:
        return Synced(0, 0, tuple(unread), listed=not unread)
    asked_at = ctx.now()
    since = min(order.decided_at for order in (*watched.known, *watched.ended)) - _EARLIER
    try:
        listed = gateway.broker.orders_since(since)
    except BrokerUnavailable as error:
        ctx.journal.went_wrong("orders_not_synced", account=ctx.name, error=str(error))
        found = _looked_up(gateway.broker, watched)
        unread.append(f"orders not synced: {error}")
        return _synced(gateway, found, Listing(), watched, unread)
    try:
        fills = gateway.broker.fills_since(since)
    except BrokerUnavailable as error:
        # What filled is booked all the same, and its fills when they are told.
        ctx.journal.went_wrong("fills_not_synced", account=ctx.name, error=str(error))
        fills = Listing()
        unread.append(f"fills not synced: {error}")
    names = {order.client_order_id for order in listed}
    with db.transaction() as tx:
        odd = (*listed.illegible, *fills.illegible)
        unbooked_facts.note_illegible(tx, ctx.name, odd, ctx.now())
        lost_orders.notice(tx, ctx, names - watched.names, since=since)
    found = _found(gateway.broker, watched, listed)
    for order in found.missing:
        gateway.miss(order)
    synced = _synced(gateway, found, fills, watched, unread)
    _note_fills(ctx, db, listed, fills, asked_at)
    return synced


def _look_back(ctx: AccountContext, db: UnitsOfWork, gateway: OrderGateway) -> list[str]:
    """Why lost orders could not be looked for; what is known is synced all the same."""
    found = isolated(partial(lost_orders.look_back, ctx, db, gateway.broker), passing=STOPS_THE_RUN)
    if not isinstance(found, Exception):
        return []
    why = what_failed(found)
    ctx.journal.went_wrong("orders_not_synced", account=ctx.name, error=why)
    return [f"lost orders not looked for: {why}"]


def _synced(
    gateway: OrderGateway,
    found: "_Found",
    fills: Sequence[BrokerFill],
    watched: _Watched,
    unread: Sequence[str],
) -> Synced:
    """Settle what was found; `unread` says which list was not."""
    ended = {order.client_order_id for order in watched.ended}
    looked_at, changed, failed = _settle_all(gateway, found.reported, fills, ended=ended)
    failed = [*found.failed, *failed]
    return Synced(
        looked_at=looked_at,
        changed=changed,
        failures=(*unread, *(_failure(order, error) for order, error in failed)),
        symbols=frozenset(order.symbol for order, _ in failed),
        listed=not unread,
    )


def _note_fills(
    ctx: AccountContext,
    db: UnitsOfWork,
    listed: Sequence[BrokerOrder],
    fills: Sequence[BrokerFill],
    asked_at: datetime,
) -> None:
    """Keep the fills that belong to no order of ours and to none that may be adopted."""
    if fills:
        ids = {order.broker_order_id for order in listed}
        with db.transaction() as tx:
            unbooked_facts.note_fills(
                tx, ctx.name, fills, asked_at=asked_at, listed=ids, now=ctx.now()
            )


def _settle_all(
    gateway: OrderGateway,
    found: Sequence[tuple[Order, BrokerOrder]],
    fills: Sequence[BrokerFill],
    *,
    ended: Set[str],
) -> tuple[int, int, list[Failure]]:
    """How many orders were news, how many changed, and which could not be settled."""
    by_order: defaultdict[str, dict[str, BrokerFill]] = defaultdict(dict)
    for fill in fills:
        by_order[fill.broker_order_id][fill.fill_id] = fill
    looked_at, changed, failed = 0, 0, list[Failure]()
    for order, answer in found:
        report = report_of(answer, tuple(by_order[answer.broker_order_id].values()))
        if order.client_order_id in ended and not _is_news(order, report):
            continue
        looked_at += 1
        after = isolated(partial(_settled, gateway, order, report), passing=STOPS_THE_RUN)
        if isinstance(after, Exception):
            failed.append((order, after))
            continue
        changed += (after.status, after.filled_qty) != (order.status, order.filled_qty)
    return looked_at, changed, failed


def _is_news(order: Order, report: ExecutionReport) -> bool:
    """Whether the broker tells of an ended order what is not booked; its known fills all are."""
    grown = report.found.filled_quantity > order.filled_qty
    return order.broker_order_id is None or order.vanished or grown


def _settled(gateway: OrderGateway, order: Order, report: ExecutionReport) -> Order:
    """The order after the report; one never acknowledged must also have been sent when ours was."""
    why = None if order.broker_order_id else disagreement(order, report.found)
    if why is None:
        if not order.live and may_still_fill(report.found) and gateway.is_replaced(order):
            return gateway.end_replaced(order, report)
        return gateway.settle(order, report)
    with gateway.db.transaction() as tx:
        unbooked_facts.note_disagreement(tx, order, report.found, why, gateway.ctx.now())
    return order


def _watched(tx: Transaction, account: str, now: datetime) -> _Watched:
    live = [order for order in orders.live(tx, account) if order.status not in UNSETTLED]
    awaiting = orders.awaiting_fills(tx, account, now - FILLS_WATCHED_FOR)
    known = {order.client_order_id: order for order in (*live, *awaiting)}
    ended = orders.ended(tx, account, now - WATCHED_FOR)
    return _Watched(
        tuple(known.values()),
        tuple(order for order in ended if order.client_order_id not in known),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The orders that the broker reports on, live ones of which it shows no trace, and failures."""

    reported: list[tuple[Order, BrokerOrder]] = field(default_factory=list)
    missing: list[Order] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)


def _found(broker: Broker, watched: _Watched, listed: Listing[BrokerOrder]) -> _Found:
    """What the broker says of each order; an order that can't be looked up costs no other."""
    found, by_id = _Found(), {order.client_order_id: order for order in listed}
    for order in watched.known:
        answer = by_id.get(order.client_order_id)
        if answer is None:
            looked_up = isolated(
                partial(broker.order_by_client_id, order.client_order_id), passing=STOPS_THE_RUN
            )
            if isinstance(looked_up, Exception):
                found.failed.append((order, looked_up))
                continue
            answer = looked_up
        if answer is not None:
            found.reported.append((order, answer))
        elif order.live and not may_be_listed(order, listed.illegible):
            found.missing.append(order)
    for order in watched.ended:
        if (answer := by_id.get(order.client_order_id)) is not None:
            found.reported.append((order, answer))
    return found


def _looked_up(broker: Broker, watched: _Watched) -> _Found:
    """What look-ups tell of live orders without a list; the second that fails ends it."""
    found = _Found()
    for order in watched.known:
        if not order.live or len(found.failed) > 1:
            continue
        try:
            answer = broker.order_by_client_id(order.client_order_id)
        except BrokerUnavailable as error:
            found.failed.append((order, error))
            continue
        if answer is not None:
            found.reported.append((order, answer))
    return found


def _failure(order: Order, error: Exception) -> str:
    return f"{order.client_order_id}: {what_failed(error)}"
