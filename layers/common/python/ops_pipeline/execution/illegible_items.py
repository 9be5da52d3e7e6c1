"""Alerts on items of a vendor's lists that could not be read."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.db.runs import EVERYTHING
from ops_pipeline.domain.legible import IllegibleItem, ItemKind
from ops_pipeline.domain.operations.alerts import AlertKey, item_illegible

# A list whose whole format changed needs a person, but not an alert for each of its items.
_MOST_ALERTS = 20


def note(tx: Transaction, account: str, items: Sequence[IllegibleItem], now: datetime) -> None:
    """Alert on what could not be read of an account's lists."""
    for item in items[:_MOST_ALERTS]:
        alerts.open_alert(tx, item_illegible(account, item), now=now)


def update(
    tx: Transaction,
    account: str,
    kinds: Iterable[ItemKind],
    items: Sequence[IllegibleItem],
    now: datetime,
) -> None:
    """Alert on these, and resolve what has become legible: the lists of these kinds were whole."""
    prefixes = tuple(f"{kind} " for kind in kinds)
    note(tx, account, items, now)
    _resolve(tx, account, lambda subject: subject.startswith(prefixes), items, now)


def update_market(
    tx: Transaction,
    kind: ItemKind,
    tickers: Iterable[str],
    items: Sequence[IllegibleItem],
    now: datetime,
) -> None:
    """The same for market data, which was asked for these tickers; it is no account's."""
    asked = {f"{kind} {ticker}" for ticker in tickers}
    note(tx, EVERYTHING, items, now)
    _resolve(tx, EVERYTHING, lambda subject: subject in asked, items, now)


def _resolve(
    tx: Transaction,
    scope: str,
    concerns: Callable[[str], bool],
    items: Sequence[IllegibleItem],
    now: datetime,
) -> None:
    still = {item.subject for item in items}
    for found_scope, subject in alerts.open_of_kind(tx, "item_illegible"):
        if found_scope == scope and concerns(subject) and subject not in still:
            alerts.resolve_alert(tx, AlertKey("item_illegible", scope, subject), now=now)
