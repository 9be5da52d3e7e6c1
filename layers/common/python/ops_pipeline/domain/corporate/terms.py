"""The terms of a corporate action for one position, and what it was adjusted for."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from ops_pipeline.domain.corporate.actions import RESTATING, ActionKind, CorporateAction
from ops_pipeline.domain.exits import Position

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """One row of `position_adjustments`; see the comments there."""

    id: UUID
    position_id: UUID
    account_name: str
    kind: ActionKind
    action_id: str | None
    activity_id: str | None
    symbol: str
    new_symbol: str | None
    old_rate: Decimal
    new_rate: Decimal
    quantity_before: Decimal
    quantity_after: Decimal
    opened_before: Decimal
    opened_after: Decimal
    fraction: Decimal
    cash: Decimal | None
    effective_on: date
    applied_at: datetime

    @property
    def ratio(self) -> Decimal:
        return self.new_rate / self.old_rate

    @property
    def units_elsewhere(self) -> Decimal:
        """What it adds to opened less sold, so that the three still add up to what is held."""
        return (self.quantity_after - self.quantity_before) - (
            self.opened_after - self.opened_before
        )


@dataclass(frozen=True, slots=True)
class Application:
    """An adjustment with the position as it is after it; with nothing left it ends."""

    adjustment: Adjustment
    position: Position


@dataclass(frozen=True, slots=True)
class Pending:
    """Why an action that is due, or a difference in shares, decides nothing yet."""

    reason: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What one old share becomes.

    Attributes:
        cash: USD for one old share; None: not known.
    """

    kind: ActionKind
    symbol: str
    new_symbol: str | None
    old_rate: Decimal
    new_rate: Decimal
    cash: Decimal | None
    effective_on: date

    @property
    def ratio(self) -> Decimal:
        return self.new_rate / self.old_rate


def terms_of(action: CorporateAction) -> Terms:
    return Terms(
        kind=action.kind,
        symbol=action.symbol,
        new_symbol=action.new_symbol if action.kind in RESTATING else None,
        old_rate=action.old_rate if action.old_rate and action.kind in RESTATING else _ONE,
        new_rate=action.new_rate if action.new_rate and action.kind in RESTATING else _ONE,
        cash=action.cash,
        effective_on=action.effective_on,
    )
