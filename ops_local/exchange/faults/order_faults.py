"""Faults that belong to one order from when it is accepted; stored, so they survive a restart."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeGuard, get_args

OrderFaultKind = Literal["overfill", "late_fill", "rejected_by_venue", "vanishes"]

# How long after its cause a late fill comes, and a resting order vanishes.
DELAY = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class OrderFault:
    """One fault of one order.

    Attributes:
        due_at: When it is carried out; None while its cause has not occurred.
    """

    order_id: str
    kind: OrderFaultKind
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VanishedOrder:
    """An order that the exchange no longer knows anything about; `number` was its number."""

    order_id: str
    account_number: str
    number: int
    client_order_id: str
    vanished_at: datetime


def is_order_fault(kind: object) -> TypeGuard[OrderFaultKind]:
    return kind in get_args(OrderFaultKind)
