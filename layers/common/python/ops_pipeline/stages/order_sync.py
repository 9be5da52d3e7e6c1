"""Brings live orders and their fills to what the broker says."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.db import orders
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.domain.orders import UNSETTLED, Order
from ops_pipeline.errors import BrokerUnavailable
from ops_pipeline.ports import Broker
from ops_pipeline.stages.road import Road
from ops_pipeline.stages.settlement import Evidence

# Our clock and the broker's may differ: look back a little further than we decided.
_EARLIER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Synced:
    """How many orders were looked at, how many changed, and what could not be read."""

    looked_at: int
    changed: int
    failures: tuple[str, ...]


def sync(way: Road) -> Synced:
    """Settle every live order, and record fills that came after their order's quantity."""
    if way.broker is None:
        return Synced(0, 0, ())
    now = way.clock.now()
    today = new_york_time(new_york_day(now), 0)
    with way.db.transaction() as tx:
        live = [order for order in orders.live(tx, way.name) if order.status not in UNSETTLED]
        awaiting = orders.awaiting_fills(tx, way.name, today)
    wanted = {order.client_order_id: order for order in (*live, *awaiting)}
    if not wanted:
        return Synced(0, 0, ())
    since = min(order.decided_at for order in wanted.values()) - _EARLIER
    try:
        found = _found(way.broker, wanted.values(), since)
        fills = way.broker.fills_since(since)
    except BrokerUnavailable as error:
        way.journal.went_wrong("orders_not_synced", account=way.name, error=str(error))
        return Synced(0, 0, (f"orders not synced: {error}",))
    by_order: defaultdict[str, list[BrokerFill]] = defaultdict(list)
    for fill in fills:
        by_order[fill.broker_order_id].append(fill)
    changed = sum(
        _settle(way, wanted[name], order, by_order[order.broker_order_id])
        for name, order in found.items()
    )
    return Synced(len(found), changed, ())


def _found(broker: Broker, wanted: Iterable[Order], since: datetime) -> dict[str, BrokerOrder]:
    """The broker's view of each order; one missing in the list is asked for by its id."""
    listed = {order.client_order_id: order for order in broker.orders_since(since)}
    found: dict[str, BrokerOrder] = {}
    for order in wanted:
        name = order.client_order_id
        answer = listed.get(name) or broker.order_by_client_id(name)
        if answer is not None:
            found[name] = answer
    return found


def _settle(way: Road, order: Order, found: BrokerOrder, fills: list[BrokerFill]) -> bool:
    with way.db.transaction() as tx:
        after = way.settle(tx, order.client_order_id, Evidence(found=found, fills=fills))
    return (after.status, after.filled_qty) != (order.status, order.filled_qty)
