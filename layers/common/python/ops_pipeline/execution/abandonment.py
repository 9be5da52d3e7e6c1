"""Ends what is open in an account whose broker's account is gone, as after a reset.

Nobody can be asked about it any more: orders end where they stood, positions close without a
price, unverified, as those that the broker no longer lists.
"""

from datetime import datetime
from decimal import Decimal

from ops_pipeline.db import orders, positions
from ops_pipeline.db.driver.transaction import Transaction
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.trading_terms import TradeReason
from ops_pipeline.execution import settlement

_GONE: TradeReason = "missing_at_broker"
_REASON = "The account was replaced at its broker"


def abandon(tx: Transaction, account: Account, *, now: datetime) -> tuple[int, int]:
    """End the account's live orders and open positions; returns how many of each.

    Call it under the account's row lock.
    """
    live = orders.live(tx, account.account_name)
    for order in live:
        settlement.close_unfilled(
            tx,
            order.client_order_id,
            status="not_placed" if order.broker_order_id is None else "canceled",
            reason=_REASON,
            account=account,
            now=now,
        )
    held = positions.held(tx, account.account_name)
    for position in held:
        settlement.close_unproven(tx, position, _GONE, now=now)
        positions.add_event(
            tx,
            position_id=position.id,
            account=account.account_name,
            kind="closed",
            details={"quantity": Decimal(0), "evidence": "the operator: the account was replaced"},
            now=now,
        )
    return len(live), len(held)
