"""The order road: send what is committed, and settle what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from ops_pipeline.db import accounts, alerts, orders
from ops_pipeline.db.accounts import Account
from ops_pipeline.db.connection import Transaction
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.market import Quote
from ops_pipeline.domain.orders import Order, Status
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
)
from ops_pipeline.ports import Broker, Clock, Journal
from ops_pipeline.stages import settlement
from ops_pipeline.stages.request import AccountRequest
from ops_pipeline.stages.settlement import Evidence

# These concern the whole run, not one order: the next one would fare no better.
STOPS_THE_RUN = (AccountMismatch, CommitUnknown, DatabaseUnavailable, LeaseLost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """One account's order road for one run.

    Attributes:
        broker: None for a SIMULATED account.
        lists_at_once: This broker's look-ups find every order that it accepted, at once.
    """

    db: UnitsOfWork
    account: Account
    broker: Broker | None
    clock: Clock
    parameters: Versioned
    journal: Journal
    deployment: str
    tick: datetime
    lists_at_once: bool = False

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
    lists_at_once: bool = False,
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
        lists_at_once=lists_at_once,
    )


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
        return close(road, order, "rejected", str(error))
    except BrokerUnavailable as error:
        return close(road, order, "not_placed", f"The broker did not take it: {error}")
    except BrokerOutcomeUnknown as error:
        road.journal.went_wrong(
            "order_outcome_unknown", order=order.client_order_id, error=str(error)
        )
        _mark_unknown(road, order)
        return "unknown"
    with road.db.transaction() as tx:
        return road.settle(tx, order.client_order_id, Evidence(found=found)).status


def _simulate(road: Road, order: Order, quote: Quote | None) -> Status:
    if quote is None or not quote.usable:
        return close(road, order, "not_placed", "No usable quote to simulate a fill with")
    found, fills = simulate(order, quote, road.clock.now())
    with road.db.transaction() as tx:
        evidence = Evidence(found=found, fills=fills, simulated=True)
        return road.settle(tx, order.client_order_id, evidence).status


def close(road: Road, order: Order, status: Status, reason: str) -> Status:
    """End an order that the broker does not hold; a sale that came to nothing alerts."""
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
