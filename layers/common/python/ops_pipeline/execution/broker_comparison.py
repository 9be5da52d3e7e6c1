"""Holds an account's ledger against its broker while both sides may be moving.

What counts as a difference is decided by `against_broker`, as for the tests and for a ledger at
rest. Here it must stand on both sides of the broker's answers, so that what we settle meanwhile is
none, be older than what may still be under way, and show in a second reading of everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.db import bindings
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import invariants
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.operations.invariants import (
    Breach,
    BrokerRecords,
    LedgerRecords,
    Period,
    against_broker,
    without_row,
)
from ops_pipeline.ports import Broker, Clock

# Our clock and the broker's may differ, and an order is decided on before it is submitted.
_EARLIER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reading:
    """One comparison under way: our ledger before the broker was asked.

    Attributes:
        since: The broker is asked for what it has since then.
        asked_at: When the asking began.
    """

    account: str
    since: datetime
    asked_at: datetime
    period: Period
    before: LedgerRecords


def begin(tx: Transaction, account: str, *, since: datetime, asked_at: datetime) -> Reading:
    """Read our ledger, before the broker is asked for what it has since then."""
    bound_at = bindings.bound_at(tx, account)
    before = invariants.ledger_records(tx, account, since - _EARLIER)
    # Under its present number the broker knows of nothing from before.
    known_since = max(since, bound_at) if bound_at else since
    period = Period(known_since, asked_at - invariants.SETTLED_WITHIN)
    return Reading(account, since, asked_at, period, before)


def differences(db: UnitsOfWork, reading: Reading, told: BrokerRecords) -> list[Breach]:
    """What differs from the broker's records both before and after they were read, sorted."""
    found = against_broker(reading.account, reading.before, told, reading.period)
    if not found:
        return []
    with db.transaction() as tx:
        after = invariants.ledger_records(tx, reading.account, reading.since - _EARLIER)
    again = against_broker(reading.account, after, told, reading.period)
    return sorted({*found} & {*again})


def lost(account: str, orders: Sequence[BrokerOrder]) -> list[Breach]:
    """Orders of ours that our ledger never had: our rows come before, so one reading proves it."""
    return [
        Breach("broker_order_has_one_row", account, order.client_order_id, without_row(order))
        for order in orders
    ]


def confirmed(
    db: UnitsOfWork, broker: Broker, found: list[Breach], reading: Reading, clock: Clock
) -> list[Breach]:
    """Those that another reading of everything shows too; nothing is read if there are none.

    Raises:
        BrokerUnavailable: the second reading failed.
    """
    if not found:
        return found
    with db.transaction() as tx:
        again = begin(tx, reading.account, since=reading.since, asked_at=clock.now())
    orders, positions = broker.orders_since(reading.since), broker.positions()
    fills = broker.fills_since(reading.since)
    told = BrokerRecords(
        orders=orders,
        positions=positions,
        fills=fills,
        illegible=(*orders.illegible, *positions.illegible, *fills.illegible),
    )
    return sorted({*found} & {*differences(db, again, told)})
