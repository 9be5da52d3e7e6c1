"""Keeps what the broker tells and cannot be booked, alerts on it, and resolves both."""

from collections.abc import Collection, Sequence
from datetime import datetime

from ops_pipeline.db import unbooked_facts
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder
from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.domain.operations.alerts import (
    AlertKey,
    AlertKind,
    fact_unbooked,
    fill_unpriced,
    item_illegible,
    order_disagrees,
)
from ops_pipeline.domain.operations.unbooked import (
    FactKind,
    UnbookedFact,
    unbooked_fill,
    unbooked_item,
    unbooked_report,
)
from ops_pipeline.domain.orders import Order

# A list whose whole format changed needs a person, but not an alert for each of its items,
# and not every item of it.
_MOST_ALERTS = 20
_MOST_FACTS = 1_000
_ALERTS: tuple[AlertKind, ...] = ("item_illegible", "fact_unbooked")


def note_illegible(
    tx: Transaction, account: str, items: Sequence[IllegibleItem], now: datetime
) -> None:
    """Keep what could not be read of an account's lists, and alert on it."""
    unbooked_facts.keep(tx, account, [unbooked_item(it) for it in items[:_MOST_FACTS]], now=now)
    for item in items[:_MOST_ALERTS]:
        alerts.open_alert(tx, item_illegible(account, item), now=now)


def note_disagreement(
    tx: Transaction, order: Order, found: BrokerOrder, why: str, now: datetime
) -> None:
    """Keep the broker's report on an order of other terms than ours, and alert on it."""
    fact = unbooked_report(order, found, why)
    unbooked_facts.keep(tx, order.account_name, [fact], now=now)
    alerts.open_alert(tx, order_disagrees(order, why), now=now)


def end_disagreement(tx: Transaction, order: Order, why: str, now: datetime) -> None:
    """The broker's other terms are explained by a corporate action."""
    unbooked_facts.resolve_report(tx, order.account_name, order.client_order_id, now=now)
    alerts.resolve_alert(tx, order_disagrees(order, why).key, now=now)


def note_unpriced(tx: Transaction, order: Order, found: BrokerOrder, now: datetime) -> None:
    """Keep that the order filled at no price, and alert on it."""
    fact = unbooked_report(order, found, f"{found.filled_quantity} filled at no price")
    unbooked_facts.keep(tx, order.account_name, [fact], now=now)
    alerts.open_alert(tx, fill_unpriced(order, found.filled_quantity), now=now)


def resolve_report(tx: Transaction, order: Order, now: datetime) -> None:
    """What the broker says of the order is booked."""
    unbooked_facts.resolve_report(tx, order.account_name, order.client_order_id, now=now)
    alerts.resolve_alert(tx, fill_unpriced(order, order.filled_qty).key, now=now)


def note_fills(
    tx: Transaction,
    account: str,
    fills: Sequence[BrokerFill],
    *,
    asked_at: datetime,
    listed: Collection[str] = (),
    now: datetime,
) -> list[str]:
    """Keep the fills of unknown orders, and those that contradict theirs; returns their subjects.

    What was executed while the lists were read is left to the next run: its order may not be
    listed yet. Whoever adopts orders has done so before.

    Args:
        listed: Broker's ids of orders that the reconciler may adopt yet.
    """
    before = [it for it in fills if it.executed_at < asked_at]
    found = [
        fact
        for fill, order in unbooked_facts.not_stored(tx, account, before)
        if order is not None or fill.broker_order_id not in listed
        for fact in [unbooked_fill(fill, order)]
        if fact is not None
    ]
    _note(tx, account, found[:_MOST_FACTS], now)
    return [fact.subject for fact in found]


def resolve(
    tx: Transaction,
    account: str,
    kinds: Collection[FactKind],
    *,
    told: Collection[str],
    still: Collection[str],
    asked_at: datetime,
    now: datetime,
) -> None:
    """Resolve what is booked or told no more, and the alerts on it."""
    resolved = unbooked_facts.resolve(
        tx, account, kinds, told=told, still=still, asked_at=asked_at, now=now
    )
    for subject in resolved:
        for kind in _ALERTS:
            alerts.resolve_alert(tx, AlertKey(kind, account, subject), now=now)


def _note(tx: Transaction, account: str, facts: Sequence[UnbookedFact], now: datetime) -> None:
    unbooked_facts.keep(tx, account, facts, now=now)
    for fact in facts[:_MOST_ALERTS]:
        # It can be read by now.
        alerts.resolve_alert(tx, AlertKey("item_illegible", account, fact.subject), now=now)
        alerts.open_alert(tx, fact_unbooked(account, fact), now=now)
