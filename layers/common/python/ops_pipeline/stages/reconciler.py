"""Reconciles each account with its broker.

What only the broker holds is adopted at once, since nobody guards it. What only we hold, or
hold in another quantity, is corrected when a second run sees the same. Breaks that remain
halt the account's entries; exits go on.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from ops_pipeline.db import accounts, dispatch
from ops_pipeline.db.driver.connection import log_message
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.errors import StageFailed
from ops_pipeline.execution import adoption, cash_check, order_sync
from ops_pipeline.execution.adoption import BrokerStatement, LedgerSymbols
from ops_pipeline.execution.cash_check import CashBaseline
from ops_pipeline.execution.isolation import isolated
from ops_pipeline.execution.order_gateway import OrderGateway
from ops_pipeline.ports import Broker, Clock, Journal
from ops_pipeline.stages.request import TickRequest

# A weekend with a holiday, and the trading day before it.
_LOOK_BACK = timedelta(days=4)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was compared, and how the breaks were settled.

    Attributes:
        differences: All breaks found, including adopted and repaired ones.
        unsettled: Breaks that remain; they halt entries.
        illegible: Items of the broker's lists that could not be read; those that may still
            count halt entries.
        cash_compared: Accounts whose cash was compared with an earlier reading.
        cash_differs: Accounts with an unexplained amount, which alerts but halts nothing.
    """

    accounts: int
    positions_compared: int
    orders_compared: int
    differences: int
    unsettled: int
    illegible: int
    adopted: int
    repaired: int
    closed: int
    expired: int
    cash_compared: int
    cash_differs: int


def run(
    request: TickRequest,
    *,
    db: UnitsOfWork,
    gateway: Callable[[str], OrderGateway],
    parameters: Versioned,
    clock: Clock,
    journal: Journal,
) -> Outcome:
    """Compare every guarded account.

    Raises:
        StageFailed: an account could not be read; the others were compared all the same.
    """
    with db.transaction() as tx:
        names = accounts.guard_accounts(tx, clock.now())
        real = [n for n in names if accounts.load(tx, n).execution_mode != "SIMULATED"]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    for name in real:
        found = isolated(partial(_of_account, request, db, gateway, name))
        if isinstance(found, Exception):
            message = log_message(found)
            journal.went_wrong("account_not_reconciled", account=name, error=message)
            failures.append(f"{name}: {type(found).__name__}: {message}")
        else:
            counts.update(found)
    if names:
        age_s = parameters.rules.gates.recommendation_age_s
        counts["expired"] = _expire(db, clock.now(), timedelta(seconds=age_s))
    if failures:
        raise StageFailed("; ".join(failures))
    return Outcome(
        accounts=len(real),
        positions_compared=counts["positions"],
        orders_compared=counts["orders"],
        differences=counts["differences"],
        unsettled=counts["unsettled"],
        illegible=counts["illegible"],
        adopted=counts["adopted"],
        repaired=counts["repaired"],
        closed=counts["closed"],
        expired=counts["expired"],
        cash_compared=counts["cash_compared"],
        cash_differs=counts["cash_differs"],
    )


def _of_account(
    request: TickRequest, db: UnitsOfWork, gateway: Callable[[str], OrderGateway], name: str
) -> Counter[str]:
    return _reconcile(request, db, gateway(name))


def _reconcile(request: TickRequest, db: UnitsOfWork, gateway: OrderGateway) -> Counter[str]:
    ctx, broker = gateway.ctx, gateway.broker
    if broker is None:
        raise ValueError(f"{ctx.name} has no broker to compare with")
    asked_at = ctx.now()
    account = broker.account()
    synced = order_sync.NOTHING if request.dry_run else order_sync.sync(ctx, db, gateway)
    if not synced.listed:
        raise StageFailed("; ".join(synced.failures))
    with db.transaction() as tx:
        before = adoption.ledger_symbols(tx, ctx.name)
    # What an order of ours did in these is not known: they are compared when it is.
    before = replace(before, live=before.live | synced.symbols)
    statement = _read(broker, request, asked_at, before)
    with db.transaction() as tx:
        counts, failures = adoption.reconcile(tx, ctx, gateway, statement)
    counts["positions"], counts["orders"] = len(statement.positions), len(statement.orders)
    baseline = CashBaseline(account, asked_at, since=request.tick - _LOOK_BACK)
    counts += cash_check.compare(ctx, db, broker, baseline)
    if failed := (*synced.failures, *failures):
        raise StageFailed("; ".join(failed))
    return counts


def _read(
    broker: Broker, request: TickRequest, asked_at: datetime, before: LedgerSymbols
) -> BrokerStatement:
    """Read everything before anything is changed; positions twice, around all else."""
    since = request.tick - _LOOK_BACK
    return BrokerStatement(
        asked_at=asked_at,
        before=before,
        positions=broker.positions(),
        orders=broker.orders_since(since),
        fills=broker.fills_since(since),
        positions_again=broker.positions(),
    )


def _expire(db: UnitsOfWork, now: datetime, age: timedelta) -> int:
    """Expire recommendations left from the last session, of inactive accounts too.

    No dispatcher runs before the next session, and none for an inactive account.
    """
    with db.transaction() as tx:
        return sum(
            dispatch.expire(tx, account=name, oldest=now - age, now=now)
            for name in accounts.all_names(tx)
        )
