"""Updates live orders and their fills from the broker."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pg8000.exceptions import DatabaseError

from ops_pipeline.db import orders
from ops_pipeline.db.driver.connection import Transaction, log_message
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.domain.orders import UNSETTLED, Order, disagreement
from ops_pipeline.errors import BrokerUnavailable, OpsError
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.decisions.booking import ExecutionReport
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
    """Orders to update, and those closed as not placed that may still turn up."""

    known: Sequence[Order]
    given_up: Sequence[Order]

    def __bool__(self) -> bool:
        return bool(self.known or self.given_up)


def sync(ctx: AccountContext, db: UnitsOfWork, gateway: OrderGateway) -> Synced:
    """Settle every live order, and record fills that came after their order's quantity."""
    with db.transaction() as tx:
        watched = _watched(tx, ctx.name, new_york_time(new_york_day(ctx.now()), 0))
    if gateway.broker is None or not watched:
        return NOTHING
    since = min(order.decided_at for order in (*watched.known, *watched.given_up)) - _EARLIER
    try:
        found, missing = _found(gateway.broker, watched, since=since)
        fills = gateway.broker.fills_since(since)
    except BrokerUnavailable as error:
        ctx.journal.went_wrong("orders_not_synced", account=ctx.name, error=str(error))
        return Synced(0, 0, (f"orders not synced: {error}",))
    for order in missing:
        gateway.miss(order)
    return _settle_all(gateway, found, fills)


def _settle_all(
    gateway: OrderGateway,
    found: Sequence[tuple[Order, BrokerOrder]],
    fills: Sequence[BrokerFill],
) -> Synced:
    by_order: defaultdict[str, list[BrokerFill]] = defaultdict(list)
    for fill in fills:
        by_order[fill.broker_order_id].append(fill)
    changed, failures = 0, []
    for order, answer in found:
        report = ExecutionReport(found=answer, fills=by_order[answer.broker_order_id])
        try:
            after = gateway.settle(order, report)
        except STOPS_THE_RUN:
            raise
        except (OpsError, DatabaseError) as error:
            failures.append(
                f"{order.client_order_id}: {type(error).__name__}: {log_message(error)}"
            )
            continue
        changed += (after.status, after.filled_qty) != (order.status, order.filled_qty)
    return Synced(len(found), changed, tuple(failures))


def _watched(tx: Transaction, account: str, today: datetime) -> _Watched:
    live = [order for order in orders.live(tx, account) if order.status not in UNSETTLED]
    awaiting = orders.awaiting_fills(tx, account, today)
    given_up = orders.not_placed(tx, account, today)
    known = {order.client_order_id: order for order in (*live, *awaiting)}
    return _Watched(tuple(known.values()), tuple(given_up))


def _found(
    broker: Broker, watched: _Watched, *, since: datetime
) -> tuple[list[tuple[Order, BrokerOrder]], list[Order]]:
    """Each order with the broker's view, and live ones that neither list nor look-up shows."""
    missing: list[Order] = []
    listed = {order.client_order_id: order for order in broker.orders_since(since)}
    found = []
    for order in watched.known:
        name = order.client_order_id
        answer = listed.get(name) or broker.order_by_client_id(name)
        if answer is not None:
            found.append((order, answer))
        elif order.live:
            missing.append(order)
    for order in watched.given_up:
        answer = listed.get(order.client_order_id)
        if answer is not None and disagreement(order, answer) is None:
            found.append((order, answer))
    return found, missing
