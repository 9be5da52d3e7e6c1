"""The changes to the ledger that follow from one report on an order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ops_pipeline.domain.broker import BrokerFill
from ops_pipeline.domain.costs.settling import OrderCost
from ops_pipeline.domain.exits import Closing, Position
from ops_pipeline.domain.operations.alerts import Alert
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.recommendations import FinalStatus
from ops_pipeline.domain.trading_terms import Evidence, PositionEventKind


@dataclass(frozen=True, slots=True)
class PositionEvent:
    """One row of a position's events."""

    position_id: UUID
    kind: PositionEventKind
    details: dict[str, object]


@dataclass(frozen=True, slots=True)
class RecommendationEnd:
    """How an order's end settles its recommendation.

    Attributes:
        status: None returns it to the next run, which prices it again or lets it expire.
    """

    recommendation_id: int
    status: FinalStatus | None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """The changes that follow from one report, saved in one transaction.

    Attributes:
        order: With its new status and quantities.
        reopened: It had been ended here although the broker holds it.
        position: The changed position, a new one if `opens`; None if none changes.
        execution: The position at the id of the entry's execution, to be stored with it.
        closing: How `position` ended; None while it is held.
        oversold: What the order sold beyond the position.
        covered: What of that it sold of another position.
        covers_all: A person bought back all that had been sold so.
        costs: Fees that the new fills accrued.
    """

    order: Order
    failure_reason: str | None = None
    reopened: bool = False
    fills: Sequence[BrokerFill] = ()
    evidence: Evidence = "broker"
    simulated_at: datetime | None = None
    position: Position | None = None
    opens: bool = False
    execution: Position | None = None
    closing: Closing | None = None
    event: PositionEvent | None = None
    oversold: PositionEvent | None = None
    covered: PositionEvent | None = None
    covers_all: bool = False
    recommendation: RecommendationEnd | None = None
    costs: tuple[OrderCost, ...] = ()
    alerts: tuple[Alert, ...] = ()

    @property
    def may_exceed_limits(self) -> bool:
        """A buy that was reopened or overfilled took more room than it has reserved."""
        order = self.order
        return order.side == "buy" and (self.reopened or order.filled_qty > order.quantity)
