"""Asks for every order whose outcome is unknown, before a run does anything new."""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from pg8000.exceptions import DatabaseError

from ops_pipeline.db import alerts, orders
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.orders import UNSETTLED, Order, disagreement
from ops_pipeline.errors import OpsError
from ops_pipeline.ports import Broker
from ops_pipeline.stages.road import STOPS_THE_RUN, Road, close
from ops_pipeline.stages.settlement import Evidence

# A look-up that finds nothing proves little: the broker may list an order late.
_SURE_AFTER = timedelta(seconds=60)
_LISTED_SINCE = timedelta(minutes=10)
# An outcome that is unknown for longer than this is a person's business too.
_UNKNOWN_FOR = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is still unknown after asking: it blocks all entries, or one position's exits."""

    entries_blocked: bool
    blocked_positions: frozenset[UUID]
    settled: int


def recover(road: Road) -> Recovery:
    """Ask for every order whose outcome is unknown, before anything new is done.

    One that can't be settled stays unknown and has an alert; it does not keep the others.
    """
    with road.db.transaction() as tx:
        unsettled = [order for order in orders.live(tx, road.name) if order.status in UNSETTLED]
    still = [order for order in unsettled if not _resolved(road, order)]
    return Recovery(
        entries_blocked=any(order.purpose == "entry" for order in still),
        blocked_positions=frozenset(
            order.position_id for order in still if order.position_id is not None
        ),
        settled=len(unsettled) - len(still),
    )


def _resolved(road: Road, order: Order) -> bool:
    try:
        settled = _resolve(road, order)
    except STOPS_THE_RUN:
        raise
    except (OpsError, DatabaseError) as error:
        road.journal.went_wrong(
            "order_not_looked_up",
            order=order.client_order_id,
            error=type(error).__name__,
            message=str(error),
        )
        settled = False
    if settled or road.clock.now() - order.decided_at > _UNKNOWN_FOR:
        _alert_unknown(road, order, settled=settled)
    return settled


def _resolve(road: Road, order: Order) -> bool:
    """Settle one unknown order by looking it up; False while it stays unknown."""
    if road.broker is None:
        close(road, order, "not_placed", "The run ended before it was simulated")
        return True
    found = road.broker.order_by_client_id(order.client_order_id)
    if found is None and _missed_long_enough(road, order):
        found = _listed(road.broker, order)
        if found is None:
            close(road, order, "not_placed", "The broker never had it")
            return True
    if found is None:
        _note_miss(road, order)
        return False
    why = disagreement(order, found)
    if why is not None:
        _alert_disagreement(road, order, why)
        return False
    with road.db.transaction() as tx:
        after = road.settle(tx, order.client_order_id, Evidence(found=found))
    road.journal.happened("order_recovered", order=order.client_order_id, status=found.status)
    return after.status not in UNSETTLED


def _missed_long_enough(road: Road, order: Order) -> bool:
    return order.missed_at is not None and road.clock.now() - order.missed_at >= _SURE_AFTER


def _listed(broker: Broker, order: Order) -> BrokerOrder | None:
    listed = broker.orders_since(order.decided_at - _LISTED_SINCE)
    return next((o for o in listed if o.client_order_id == order.client_order_id), None)


def _note_miss(road: Road, order: Order) -> None:
    now = road.clock.now()
    with road.db.transaction() as tx:
        current = orders.lock(tx, order.client_order_id)
        if current.status in UNSETTLED:
            missed_at = current.missed_at or now
            orders.save(tx, replace(current, status="unknown", missed_at=missed_at))


def _alert_unknown(road: Road, order: Order, *, settled: bool) -> None:
    now = road.clock.now()
    with road.db.transaction() as tx:
        if settled:
            alerts.resolve_alert(
                tx,
                kind="order_outcome_unknown",
                scope=road.name,
                subject=order.client_order_id,
                now=now,
            )
            return
        alerts.open_alert(
            tx,
            kind="order_outcome_unknown",
            scope=road.name,
            subject=order.client_order_id,
            severity="critical",
            message=f"Nobody knows what became of {order.client_order_id}",
            details={"decided_at": order.decided_at, "purpose": order.purpose},
            now=now,
        )


def _alert_disagreement(road: Road, order: Order, why: str) -> None:
    road.journal.went_wrong("order_disagrees", order=order.client_order_id, why=why)
    with road.db.transaction() as tx:
        alerts.open_alert(
            tx,
            kind="order_disagrees",
            scope=road.name,
            subject=order.client_order_id,
            severity="critical",
            message=f"The broker holds another order under this id ({why})",
            details={"why": why},
            now=road.clock.now(),
        )
