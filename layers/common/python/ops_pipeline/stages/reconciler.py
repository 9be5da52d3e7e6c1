"""Reconciles each account with its broker: one account a run in a session, all before and after.

What only the broker holds is adopted at once, since nobody guards it. What only we hold, or
hold in another quantity, is corrected when a second run sees the same. Breaks that remain
halt the account's entries; exits go on. Then the invariants are held against the broker's
records, and what still differs is kept for the healthcheck.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from time import perf_counter

from ops_pipeline.db import accounts, dispatch
from ops_pipeline.db.operations import comparisons
from ops_pipeline.db.operations.invariants import SETTLED_WITHIN
from ops_pipeline.db.parameters import GuardRules, Versioned
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.broker import BrokerCashActivity
from ops_pipeline.domain.holdings.first_look import FirstLook
from ops_pipeline.domain.operations.invariants import Breach, BrokerRecords
from ops_pipeline.domain.orders import WATCHED_FOR
from ops_pipeline.errors import (
    AccountNotConfigured,
    SettingsInvalid,
    StageFailed,
)
from ops_pipeline.execution import (
    account_standing,
    adoption,
    broker_comparison,
    cash_check,
    lost_orders,
    order_sync,
)
from ops_pipeline.execution.broker_comparison import Reading
from ops_pipeline.execution.cash_check import CashBaseline
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.holdings import corporate_actions, first_look
from ops_pipeline.execution.holdings.statement import (
    BrokerStatement,
    LedgerSymbols,
    ledger_symbols,
)
from ops_pipeline.execution.isolation import isolated, what_failed
from ops_pipeline.execution.order_gateway import OrderGateway
from ops_pipeline.ports import Broker, Clock, Journal
from ops_pipeline.stages.request import ReconcileRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was compared, and how the breaks were settled.

    Attributes:
        not_configured: Accounts without keys, which nobody can compare.
        differences: All breaks found, including adopted and repaired ones.
        unsettled: Breaks that remain; they halt entries.
        illegible: Items of the broker's lists that could not be read; those that may still
            count halt entries.
        cash_compared: Accounts whose cash was compared with an earlier reading.
        cash_differs: Accounts with an unexplained amount, which alerts but halts nothing.
        broken: Rows that differ from the broker's after all that, by the invariants.
        breaches: The first of these, in words.
    """

    accounts: int
    not_configured: int
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
    broken: int
    breaches: list[str]


@dataclass(frozen=True, slots=True)
class _Reconciled:
    """One account's counts, and what still differs from its broker."""

    counts: Counter[str]
    breaches: Sequence[Breach]


@dataclass(slots=True)
class _Total:
    """What was found in all accounts of a run, and which could not be compared."""

    counts: Counter[str] = field(default_factory=Counter)
    breaches: list[Breach] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def run(
    request: ReconcileRequest,
    *,
    db: UnitsOfWork,
    gateway: Callable[[str], OrderGateway],
    parameters: Versioned | GuardRules,
    clock: Clock,
    journal: Journal,
) -> Outcome:
    """Compare the account of the request, or every guarded one.

    Raises:
        InvalidInput: there is no such account.
        StageFailed: an account could not be compared; the others were all the same.
    """
    names, unserved = _accounts(db, request, clock.now())
    total = _Total()
    for name in names:
        done = _isolated(partial(_reconcile_named, request, db, gateway, name))
        if isinstance(done, AccountNotConfigured) and not _holds(db, name, clock.now()):
            total.counts["not_configured"] += 1
            continue
        if isinstance(done, Exception):
            error = what_failed(done)
            journal.went_wrong("account_not_reconciled", account=name, error=error)
            total.failures.append(f"{name}: {error}")
            continue
        total.counts.update(done.counts)
        total.breaches += done.breaches
    age = timedelta(seconds=parameters.rules.gates.recommendation_age_s)
    total.counts["expired"] = _expire(db, unserved, clock.now(), age)
    if total.failures:
        raise StageFailed("; ".join(total.failures))
    return _outcome(len(names), total)


def _outcome(compared: int, total: _Total) -> Outcome:
    counts, listed = total.counts, total.breaches[: comparisons.LISTED]
    return Outcome(
        accounts=compared - counts["not_configured"],
        not_configured=counts["not_configured"],
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
        broken=len(total.breaches),
        breaches=[f"{it.account} {it.invariant} {it.subject}: {it.message}" for it in listed],
    )


def _accounts(
    db: UnitsOfWork, request: ReconcileRequest, now: datetime
) -> tuple[list[str], list[str]]:
    """Those to compare, the longest uncompared first, and those that no dispatcher serves.

    An account that simulates has no broker. No dispatcher serves an inactive account in a
    session, and none at all outside of it.
    """
    with db.transaction() as tx:
        if request.account is not None:
            only = accounts.load(tx, request.account)
            compared = [] if only.simulated else [only.account_name]
            return compared, accounts.inactive_accounts(tx)
        known = comparisons.newest(tx, until=request.tick)
        never = datetime.min.replace(tzinfo=UTC)
        compared = sorted(
            accounts.compared_accounts(tx, now),
            key=lambda name: known[name].tick if name in known else never,
        )
        return compared, accounts.all_names(tx)


def _holds(db: UnitsOfWork, name: str, now: datetime) -> bool:
    with db.transaction() as tx:
        return accounts.holds_anything(tx, name, now)


def _isolated(work: Callable[[], _Reconciled]) -> _Reconciled | Exception:
    """The result, or the account's own error: also keys that it alone lacks."""
    try:
        return isolated(work)
    except SettingsInvalid as error:
        return error


def _reconcile_named(
    request: ReconcileRequest, db: UnitsOfWork, gateway: Callable[[str], OrderGateway], name: str
) -> _Reconciled:
    """Opens the gateway here, since that may fail for this account alone as well."""
    return _reconcile(request, db, gateway(name))


def _reconcile(request: ReconcileRequest, db: UnitsOfWork, gateway: OrderGateway) -> _Reconciled:
    ctx, broker = gateway.ctx, gateway.broker
    if broker is None:
        raise ValueError(f"{ctx.name} has no broker to compare with")
    started, asked_at, since = perf_counter(), ctx.now(), request.tick - WATCHED_FOR
    synced = order_sync.NOTHING if request.dry_run else order_sync.sync(ctx, db, gateway)
    if not synced.listed:
        raise StageFailed("; ".join(synced.failures))
    lost = lost_orders.look_back(ctx, db, broker, again=True)
    with db.transaction() as tx:
        before = ledger_symbols(tx, ctx.name)
        reading = broker_comparison.begin(tx, ctx.name, since=since, asked_at=asked_at)
    # What an order of ours did in these is not known: they are compared when it is.
    before = replace(before, live=before.live | synced.symbols)
    statement = _read(broker, since, asked_at, before, first_look.read(ctx, db, broker))
    statement = replace(statement, activities=_activities(ctx, db, broker, statement))
    with db.transaction() as tx:
        counts, failures = adoption.reconcile(tx, ctx, gateway, statement)
    # What was just adopted or repaired agrees now; a dry run, which undid that, tells of it.
    found = broker_comparison.differences(db, reading, _records(statement))
    counts["positions"], counts["orders"] = len(statement.positions), len(statement.orders)
    breaches = broker_comparison.confirmed(db, broker, found, reading, ctx.clock)
    breaches = sorted({*breaches, *broker_comparison.lost(ctx.name, lost)})
    _keep(db, request, reading, breaches, perf_counter() - started)
    asked_at = ctx.now()
    told = broker.account()
    with db.transaction() as tx:
        account_standing.notice(tx, ctx.name, told, ctx.now())
    if request.account is None:
        baseline = CashBaseline(told, asked_at, since=since)
        counts += cash_check.compare(ctx, db, broker, baseline)
    if failed := (*synced.failures, *failures):
        raise StageFailed("; ".join(failed))
    return _Reconciled(counts, breaches)


def _keep(
    db: UnitsOfWork,
    request: ReconcileRequest,
    reading: Reading,
    breaches: Sequence[Breach],
    took_s: float,
) -> None:
    with db.transaction() as tx:
        comparisons.keep(
            tx,
            account=reading.account,
            tick=request.tick,
            compared_at=reading.asked_at,
            found=breaches,
            duration_ms=took_s * 1000,
        )


def _records(statement: BrokerStatement) -> BrokerRecords:
    statement = statement.traded_here()
    return BrokerRecords(
        orders=statement.orders,
        positions=statement.positions_again,
        fills=statement.fills,
        illegible=statement.illegible,
    )


def _read(
    broker: Broker,
    since: datetime,
    asked_at: datetime,
    before: LedgerSymbols,
    look: FirstLook | None,
) -> BrokerStatement:
    """Read everything before anything is changed; positions twice, around all else.

    Once is enough where they are ours to the share and no order changed in the last minutes:
    that leaves nothing to adopt, repair or give up.
    """
    positions, orders, fills = (
        broker.positions(),
        broker.orders_since(since),
        broker.fills_since(since),
    )
    settled_before = asked_at - SETTLED_WITHIN
    moved = any(order.updated_at >= settled_before for order in orders)
    theirs = {held.symbol: held.quantity for held in positions}
    agree = theirs == before.held and not moved and not positions.illegible
    return BrokerStatement(
        asked_at=asked_at,
        since=since,
        before=before,
        positions=positions,
        orders=orders,
        fills=fills,
        positions_again=positions if agree else broker.positions(),
        look=look,
    )


def _activities(
    ctx: AccountContext, db: UnitsOfWork, broker: Broker, statement: BrokerStatement
) -> Sequence[BrokerCashActivity]:
    """What the broker booked without a trade, where that may say why shares differ."""
    with db.transaction() as tx:
        wanted = corporate_actions.wants_activities(tx, ctx, statement.positions)
    return corporate_actions.activities_told(ctx, broker, statement.since) if wanted else ()


def _expire(db: UnitsOfWork, names: Sequence[str], now: datetime, age: timedelta) -> int:
    """Expire what nobody took in time; no account without a dispatcher has a run of its own."""
    if not names:
        return 0
    with db.transaction() as tx:
        return sum(dispatch.expire(tx, account=name, oldest=now - age, now=now) for name in names)
