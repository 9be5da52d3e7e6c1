"""Books what a corporate action does to one position: its adjustments, its row and its events."""

from collections.abc import Sequence
from datetime import datetime

from ops_pipeline.db import positions
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.holdings import corporate_actions as rows
from ops_pipeline.domain.corporate.adjustments import Adjustment, Application
from ops_pipeline.domain.exits import Position


def book(
    tx: Transaction, done: Sequence[Application], *, tick: datetime, now: datetime
) -> Position:
    """Book the steps of one position under the account's row lock; the position after them.

    One of which nothing is left is not written: whoever asked for it closes it.
    """
    for step in done:
        rows.add(tx, step.adjustment, tick=tick)
        positions.add_event(
            tx,
            position_id=step.position.id,
            account=step.position.account_name,
            kind="adjusted",
            details=_details(step.adjustment, step.position),
            now=now,
        )
    after = done[-1].position
    if after.quantity:
        rows.restate(tx, after, now=now)
    return after


def _details(it: Adjustment, position: Position) -> dict[str, object]:
    return {
        "adjustment": it.id,
        "kind": it.kind,
        "symbol": it.new_symbol or it.symbol,
        "quantity_before": it.quantity_before,
        "quantity_after": it.quantity_after,
        "entry_price": position.entry_price,
        "stop_loss": position.stop_loss,
    }
