"""Updates live orders and their fills from the broker."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from pg8000.exceptions import DatabaseError

from ops_pipeline.db import orders
from ops_pipeline.db.driver.connection import Transaction, log_message
from ops_pipeline.db.operations import alerts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder
from ops_pipeline.domain.operations.alerts import order_disagrees
from ops_pipeline.domain.orders import (
    FILLS_WATCHED_FOR,
    UNSETTLED,
    WATCHED_FOR,
    Order,
    disagreement,
)
from ops_pipeline.errors import BrokerUnavailable, OpsError
from ops_pipeline.execution import lost_orders
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport, report_of
from ops_pipeline.execution.order_gateway import STOPS_THE_RUN, OrderGateway
from ops_pipeline.ports import Broker

# Our clock and the broker's may differ: start a little before the first decision.
_EARLIER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Synced:
    """How many orders were compared, how many changed, and which could not be."""

    looked_at: int
    changed: int
    failures: tuple[str, ...]


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
    """Settle every live order, and book what is told of an order after its end."""
    with db.transaction() as tx:
        watched = _watched(tx, ctx.name, ctx.now())
    if gateway.broker is None or not watched:
        return NOTHING
    since = min(order.decided_at for order in (*watched.known, *watched.ended)) - _EARLIER
    try:
        listed = {it.client_order_id: it for it in gateway.broker.orders_since(since)}
        found, missing = _found(gateway.broker, watched, listed)
        fills = gateway.broker.fills_since(since)
    except BrokerUnavailable as error:
        ctx.journal.went_wrong("orders_not_synced", account=ctx.name, error=str(error))
        return Synced(0, 0, (f"orders not synced: {error}",))
    with db.transaction() as tx:
        lost_orders.notice(tx, ctx, listed.keys() - watched.names, since=since)
    for order in missing:
        gateway.miss(order)
    ended = {order.client_order_id for order in watched.ended}
    return _settle_all(gateway, found, fills, ended=ended)


def _settle_all(
    gateway: OrderGateway,
    found: Sequence[tuple[Order, BrokerOrder]],
    fills: Sequence[BrokerFill],
    *,
    ended: Set[str],
) -> Synced:
    by_order: defaultdict[str, dict[str, BrokerFill]] = defaultdict(dict)
    for fill in fills:
        by_order[fill.broker_order_id][fill.fill_id] = fill
    looked_at, changed, failures = 0, 0, []
    for order, answer in found:
        report = report_of(answer, tuple(by_order[answer.broker_order_id].values()))
        if order.client_order_id in ended and not _is_news(order, report):
            continue
        looked_at += 1
        try:
            after = _settled(gateway, order, report)
        except STOPS_THE_RUN:
            raise
        except (OpsError, DatabaseError) as error:
            failures.append(
                f"{order.client_order_id}: {type(error).__name__}: {log_message(error)}"
            )
            continue
        changed += (after.status, after.filled_qty) != (order.status, order.filled_qty)
    return Synced(looked_at, changed, tuple(failures))


def _is_news(order: Order, report: ExecutionReport) -> bool:
    """Whether the broker tells of an ended order what is not booked; its known fills all are."""
    return order.broker_order_id is None or report.found.filled_quantity > order.filled_qty


def _settled(gateway: OrderGateway, order: Order, report: ExecutionReport) -> Order:
    """The order after the report; one never acknowledged must also have been sent when ours was."""
    why = None if order.broker_order_id else disagreement(order, report.found)
    if why is None:
        return gateway.settle(order, report)
    with gateway.db.transaction() as tx:
        alerts.open_alert(tx, order_disagrees(order, why), now=gateway.ctx.now())
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


def _found(
    broker: Broker, watched: _Watched, listed: Mapping[str, BrokerOrder]
) -> tuple[list[tuple[Order, BrokerOrder]], list[Order]]:
    """Each order with the broker's view, and live ones that neither list nor look-up shows."""
    missing: list[Order] = []
    found = []
    for order in watched.known:
        name = order.client_order_id
        answer = listed.get(name) or broker.order_by_client_id(name)
        if answer is not None:
            found.append((order, answer))
        elif order.live:
            missing.append(order)
    for order in watched.ended:
        answer = listed.get(order.client_order_id)
        if answer is not None:
            found.append((order, answer))
    return found, missing
