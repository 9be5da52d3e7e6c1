"""The order road: send what is committed, settle what came of it, recover what is unknown."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from pg8000.exceptions import DatabaseError

from ops_pipeline.db import accounts, alerts, orders
from ops_pipeline.db.accounts import Account
from ops_pipeline.db.connection import Transaction
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.market import Quote
from ops_pipeline.domain.orders import UNSETTLED, Order, Status, disagreement
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.domain.simulation import simulate
from ops_pipeline.errors import (
    AccountMismatch,
    BrokerOutcomeUnknown,
    BrokerRejected,
    BrokerUnavailable,
    CommitUnknown,
    DatabaseUnavailable,
    LeaseLost,
    OpsError,
)
from ops_pipeline.ports import Broker, Clock, Journal
from ops_pipeline.stages import settlement
from ops_pipeline.stages.request import AccountRequest
from ops_pipeline.stages.settlement import Evidence

# A look-up that finds nothing proves little: the broker may list an order late.
_SURE_AFTER = timedelta(seconds=60)
_LISTED_SINCE = timedelta(minutes=10)
# An outcome that is unknown for longer than this is a person's business too.
_UNKNOWN_FOR = timedelta(minutes=2)

# These concern the whole run, not one order: the next one would fare no better.
STOPS_THE_RUN = (AccountMismatch, CommitUnknown, DatabaseUnavailable, LeaseLost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """One account's order road for one run. `broker` is None for a SIMULATED account."""

    db: UnitsOfWork
    account: Account
    broker: Broker | None
    clock: Clock
    parameters: Versioned
    journal: Journal
    deployment: str
    tick: datetime

    @property
    def rules(self) -> Parameters:
        return self.parameters.rules

    @property
    def name(self) -> str:
        return self.account.account_name

    def settle(self, tx: Transaction, client_order_id: str, evidence: Evidence) -> Order:
        return settlement.settle(
            tx,
            client_order_id,
            evidence,
            account=self.account,
            rules=self.rules.exits,
            now=self.clock.now(),
        )


def open_road(
    request: AccountRequest,
    *,
    db: UnitsOfWork,
    broker: Callable[[str], Broker],
    clock: Clock,
    parameters: Versioned,
    journal: Journal,
    deployment: str,
) -> Road:
    """The road of the account the event names; an unknown account raises InvalidInput."""
    with db.transaction() as tx:
        account = accounts.load(tx, request.account)
    simulated = account.execution_mode == "SIMULATED"
    return Road(
        db=db,
        account=account,
        broker=None if simulated else broker(account.account_name),
        clock=clock,
        parameters=parameters,
        journal=journal,
        deployment=deployment,
        tick=request.tick,
    )


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is still unknown after asking: it blocks all entries, or one position's exits."""

    entries_blocked: bool
    blocked_positions: frozenset[UUID]
    settled: int


def send(road: Road, order: Order, quote: Quote | None) -> Status:
    """Send an order that is committed already, and keep what the broker says at once.

    Args:
        quote: What a SIMULATED account fills at; real accounts do not look at it.

    Returns the order's status afterwards; "unknown" when there was no answer.
    """
    if road.broker is None:
        return _simulate(road, order, quote)
    try:
        found = road.broker.submit(order.request())
    except BrokerRejected as error:
        return _close(road, order, "rejected", str(error))
    except BrokerUnavailable as error:
        return _close(road, order, "not_placed", f"The broker did not take it: {error}")
    except BrokerOutcomeUnknown as error:
        road.journal.went_wrong(
            "order_outcome_unknown", order=order.client_order_id, error=str(error)
        )
        _mark_unknown(road, order)
        return "unknown"
    with road.db.transaction() as tx:
        return road.settle(tx, order.client_order_id, Evidence(found=found)).status


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
        _close(road, order, "not_placed", "The run ended before it was simulated")
        return True
    found = road.broker.order_by_client_id(order.client_order_id)
    if found is None and _missed_long_enough(road, order):
        found = _listed(road.broker, order)
        if found is None:
            _close(road, order, "not_placed", "The broker never had it")
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


def _simulate(road: Road, order: Order, quote: Quote | None) -> Status:
    if quote is None or not quote.usable:
        return _close(road, order, "not_placed", "No usable quote to simulate a fill with")
    found, fills = simulate(order, quote, road.clock.now())
    with road.db.transaction() as tx:
        evidence = Evidence(found=found, fills=fills, simulated=True)
        return road.settle(tx, order.client_order_id, evidence).status


def _close(road: Road, order: Order, status: Status, reason: str) -> Status:
    road.journal.went_wrong(
        "order_not_executed", order=order.client_order_id, status=status, reason=reason
    )
    with road.db.transaction() as tx:
        settlement.close_unfilled(
            tx, order.client_order_id, status=status, reason=reason, now=road.clock.now()
        )
        if order.purpose in ("exit", "stop"):
            alerts.open_alert(
                tx,
                kind="sale_not_executed",
                scope=road.name,
                subject=order.symbol,
                severity="critical",
                message=f"A sale of {order.symbol} came to nothing: {reason}",
                details={"order": order.client_order_id, "status": status},
                now=road.clock.now(),
            )
    return status


def _mark_unknown(road: Road, order: Order) -> None:
    with road.db.transaction() as tx:
        current = orders.lock(tx, order.client_order_id)
        if current.status == "intended":
            orders.save(tx, replace(current, status="unknown"))


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
