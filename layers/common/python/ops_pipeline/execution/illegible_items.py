"""Alerts on items of market data that could not be read."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.db.runs import EVERYTHING
from ops_pipeline.domain.legible import IllegibleItem, ItemKind
from ops_pipeline.domain.operations.alerts import AlertKey, item_illegible

# A list whose whole format changed needs a person, but not an alert for each of its items.
_MOST_ALERTS = 20


def update_market(
    tx: Transaction,
    kind: ItemKind,
    read: Iterable[str],
    items: Sequence[IllegibleItem],
    now: datetime,
) -> None:
    """Alert on these, and resolve what has become legible.

    Args:
        read: Tickers of which something was legible: one that is not told at all, as when the
            whole answer could not be read, is not.
    """
    legible = {f"{kind} {ticker}" for ticker in read}
    still = {item.subject for item in items}
    for item in items[:_MOST_ALERTS]:
        alerts.open_alert(tx, item_illegible(EVERYTHING, item), now=now)
    for scope, subject in alerts.open_of_kind(tx, "item_illegible"):
        if scope == EVERYTHING and subject in legible and subject not in still:
            alerts.resolve_alert(tx, AlertKey("item_illegible", scope, subject), now=now)
