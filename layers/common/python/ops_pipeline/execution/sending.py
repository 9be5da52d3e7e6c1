"""The order road: send what is committed, and settle what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from ops_pipeline.db import accounts, orders
from ops_pipeline.db.accounts import Account
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
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
from ops_pipeline.execution import settlement
from ops_pipeline.execution.settlement import ExecutionReport
from ops_pipeline.ports import Broker, Clock, Journal

# These concern the whole run, not one order: the next one would fare no better.
STOPS_THE_RUN = (AccountMismatch, CommitUnknown, DatabaseUnavailable, LeaseLost)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountContext:
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
    read_after_write: bool = False

    @property
    def rules(self) -> Parameters:
        return self.parameters.rules

    @property
    def name(self) -> str:
        return self.account.account_name

    def settle(self, tx: Transaction, client_order_id: str, evidence: ExecutionReport) -> Order:
        return settlement.settle(
            tx,
            client_order_id,
            evidence,
            account=self.account,
            rules=self.rules.exits,
            now=self.clock.now(),
        )


def open_context(
    account_name: str,
    *,
    tick: datetime,
    db: UnitsOfWork,
    broker: Callable[[str], Broker],
    clock: Clock,
    parameters: Versioned,
    journal: Journal,
    deployment: str,
    read_after_write: bool = False,
) -> AccountContext:
    """Returns one account's context for one run; an unknown account raises InvalidInput."""
    with db.transaction() as tx:
        account = accounts.load(tx, account_name)
    simulated = account.execution_mode == "SIMULATED"
    return AccountContext(
        db=db,
        account=account,
        broker=None if simulated else broker(account.account_name),
        clock=clock,
        parameters=parameters,
        journal=journal,
        deployment=deployment,
        tick=tick,
        read_after_write=read_after_write,
    )


def send(ctx: AccountContext, order: Order, quote: Quote | None) -> Status:
    """Send an order that is committed already, and keep what the broker says at once.

    Args:
        quote: What a SIMULATED account fills at; real accounts do not look at it.

    Returns the order's status afterwards; "unknown" when there was no answer.
    """
    if ctx.broker is None:
        return _simulate(ctx, order, quote)
    try:
        found = ctx.broker.submit(order.request())
    except BrokerRejected as error:
        return close(ctx, order, "rejected", str(error))
    except BrokerUnavailable as error:
        return close(ctx, order, "not_placed", f"The broker did not take it: {error}")
    except BrokerOutcomeUnknown as error:
        ctx.journal.went_wrong(
            "order_outcome_unknown", order=order.client_order_id, error=str(error)
        )
        _mark_unknown(ctx, order)
        return "unknown"
    with ctx.db.transaction() as tx:
        return ctx.settle(tx, order.client_order_id, ExecutionReport(found=found)).status


def _simulate(ctx: AccountContext, order: Order, quote: Quote | None) -> Status:
    if quote is None or not quote.usable:
        return close(ctx, order, "not_placed", "No usable quote to simulate a fill with")
    found, fills = simulate(order, quote, ctx.clock.now())
    with ctx.db.transaction() as tx:
        evidence = ExecutionReport(found=found, fills=fills, simulated=True)
        return ctx.settle(tx, order.client_order_id, evidence).status


def close(ctx: AccountContext, order: Order, status: Status, reason: str) -> Status:
    """End an order that the broker does not hold; a sale that came to nothing alerts."""
    ctx.journal.went_wrong(
        "order_not_executed", order=order.client_order_id, status=status, reason=reason
    )
    with ctx.db.transaction() as tx:
        settlement.close_unfilled(
            tx, order.client_order_id, status=status, reason=reason, now=ctx.clock.now()
        )
        if order.purpose in ("exit", "stop"):
            alerts.open_alert(
                tx,
                kind="sale_not_executed",
                scope=ctx.name,
                subject=order.symbol,
                severity="critical",
                message=f"A sale of {order.symbol} came to nothing: {reason}",
                details={"order": order.client_order_id, "status": status},
                now=ctx.clock.now(),
            )
    return status


def _mark_unknown(ctx: AccountContext, order: Order) -> None:
    with ctx.db.transaction() as tx:
        current = orders.lock(tx, order.client_order_id)
        if current.status == "intended":
            orders.save(tx, replace(current, status="unknown"))
