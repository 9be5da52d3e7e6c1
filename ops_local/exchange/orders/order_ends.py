"""How an order ends without being filled, and the late fill that may follow."""

from dataclasses import replace
from datetime import datetime

from ops_local.exchange.faults.order_faults import DELAY
from ops_local.exchange.records import ExchangeOrder
from ops_local.exchange.storage.store import Store
from ops_local.exchange.words import EndStatus


class OrderEnds:
    """Runs in the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def end(self, order: ExchangeOrder, status: EndStatus, at: datetime) -> ExchangeOrder:
        """End a live order; schedule the late fill of one that has this fault."""
        ended = replace(order, status=status, updated_at=at)
        match status:
            case "canceled":
                ended = replace(ended, canceled_at=at)
            case "expired":
                ended = replace(ended, expired_at=at)
            case "rejected":
                ended = replace(ended, failed_at=at)
        self._store.save(ended)
        for fault in self._store.order_faults(order.order_id):
            if fault.kind == "late_fill" and order.remaining:
                self._store.save(replace(fault, due_at=at + DELAY))
        return ended
