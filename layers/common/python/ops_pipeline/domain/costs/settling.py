"""Settles an account's fees of one day: each order's share of what the broker charged for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from ops_pipeline.domain.costs.fees import allocated, charged
from ops_pipeline.domain.trading_terms import FeeKind

_NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class OrderCost:
    """What an order accrued of one fee by new fills.

    Attributes:
        estimated: USD, not rounded; None: no rate is known for the day.
    """

    fee: FeeKind
    day: date
    position_id: UUID | None
    estimated: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeDay:
    """One fee of one account and day, by our orders and by the broker.

    Attributes:
        fee: None: one that trades here do not have.
        word: The broker's own word, or ours where it charged nothing.
        estimated: What each order accrued, USD; None where no rate is known.
        charged: What the broker charged, USD; None: nothing yet.
    """

    fee: FeeKind | None
    day: date
    word: str
    estimated: Mapping[str, Decimal | None]
    charged: Decimal | None

    @property
    def subject(self) -> str:
        return f"{self.word} {self.day.isoformat()}"

    @property
    def expected(self) -> Decimal | None:
        """What the broker should charge by the table, USD; None where no rate is known."""
        known = [it for it in self.estimated.values() if it is not None]
        return charged(sum(known, _NONE)) if len(known) == len(self.estimated) else None


def settled(day: FeeDay) -> dict[str, Decimal]:
    """Each order's share of the charge, USD; none where the broker charged nothing or no order.

    In proportion to what the orders accrued; where that is nothing, alike. The shares add up to
    the charge.
    """
    if day.charged is None or day.charged < 0 or not day.estimated:
        return {}
    parts = {order: part or _NONE for order, part in day.estimated.items()}
    if sum(parts.values(), _NONE) == 0:
        parts = dict.fromkeys(parts, Decimal(1))
    return allocated(day.charged, parts)


def finding(day: FeeDay) -> str | None:
    """What a person should look at in these fees, in one sentence; None where all is explained."""
    expected = day.expected
    if day.charged is not None and not day.estimated:
        return f"the broker charged ${day.charged}, and no order of that day is known to have it"
    if expected is None:
        return "the table of fees has no rate for that day"
    if day.charged is not None and day.charged != expected:
        return f"the broker charged ${day.charged}, the table of fees comes to ${expected}"
    return None


def pending(days: Iterable[FeeDay]) -> Decimal:
    """What the broker may have taken from the balances already and has not charged yet, USD."""
    return sum((it.expected or _NONE for it in days if it.charged is None), _NONE)
