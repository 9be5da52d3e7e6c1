"""Compares each account's books with the broker's: differences halt entries, not exits.

First version: it compares and reports; adopting and repairing come with the
reconciler's own issue.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from ops_pipeline.db import accounts, alerts, facts, halts, orders, positions
from ops_pipeline.db.connection import Transaction
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.books import KINDS, Difference, compare
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.errors import AccountMismatch, BrokerUnavailable, StageFailed
from ops_pipeline.ports import Broker, Clock, Journal
from ops_pipeline.stages.request import TickRequest

_LOOK_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    accounts: int
    positions_compared: int
    orders_compared: int
    differences: int


def run(
    request: TickRequest,
    *,
    db: UnitsOfWork,
    broker: Callable[[str], Broker],
    clock: Clock,
    journal: Journal,
) -> Outcome:
    """Compare every guarded account.

    Raises:
        StageFailed: an account could not be read; the others were compared all the same.
    """
    with db.transaction() as tx:
        names = accounts.guard_accounts(tx)
        real = [n for n in names if accounts.load(tx, n).execution_mode != "SIMULATED"]
    seen = differences = compared = 0
    failures: list[str] = []
    for name in real:
        try:
            held = {p.symbol: p.quantity for p in broker(name).positions()}
            listed = broker(name).orders_since(request.tick - _LOOK_BACK)
        except (AccountMismatch, BrokerUnavailable) as error:
            journal.went_wrong("account_not_reconciled", account=name, error=str(error))
            failures.append(f"{name}: {type(error).__name__}: {error}")
            continue
        with db.transaction() as tx:
            found = _compare(tx, name, held, listed, clock.now())
        seen, compared = seen + len(held), compared + len(listed)
        differences += len(found)
    if failures:
        raise StageFailed("; ".join(failures))
    return Outcome(len(real), seen, compared, differences)


def _compare(
    tx: Transaction,
    name: str,
    held: dict[str, Decimal],
    listed: list[BrokerOrder],
    now: datetime,
) -> list[Difference]:
    """Find the differences of one account, alert each, and halt or release its entries."""
    facts.lock_account(tx, name)
    ours = {p.symbol: p.quantity for p in positions.held(tx, name)}
    strangers = [o for o in listed if not _is_ours(tx, name, o)]
    found = compare(ours, held, strangers)
    for difference in found:
        alerts.open_alert(
            tx,
            kind=difference.kind,
            scope=name,
            subject=difference.subject,
            severity="critical",
            message=difference.message,
            details={"ours": difference.ours, "broker": difference.broker},
            now=now,
        )
    reason = found[0].message if found else None
    halts.set_books_halt(tx, account=name, reason=reason)
    if not found:
        alerts.resolve_kinds(tx, kinds=KINDS, scope=name, now=now)
    return found


def _is_ours(tx: Transaction, name: str, order: BrokerOrder) -> bool:
    """Whether this account has a row of it: one of another account explains nothing."""
    found = orders.find(tx, order.client_order_id)
    return found is not None and found.account_name == name
