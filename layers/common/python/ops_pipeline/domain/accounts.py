"""An account with its limits and halts. USD."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

# SIMULATED, LIVE, or paper money at its broker and named after it, such as ALPACA_PAPER.
ExecutionMode = str


@dataclass(frozen=True, slots=True)
class Account:
    """One row of `accounts`; limits in USD.

    A halt is the reason for it, None means not halted. `max_position_notional` None
    means max_exposure / max_positions, `max_order_notional` None means max_exposure.
    """

    account_name: str
    broker: str
    execution_mode: ExecutionMode
    active: bool
    allowed_actions: tuple[str, ...]
    max_positions: int
    max_exposure: Decimal
    max_daily_loss: Decimal
    max_position_notional: Decimal | None
    max_order_notional: Decimal | None
    fractional_shares: bool
    operator_halt: str | None
    books_halt: str | None
    order_limit_halt: str | None
    ledger_halt: str | None
    ledger_compare_from: datetime | None
    ledger_agreed_at: datetime | None
    kill_switch: str | None
    kill_switch_day: date | None
    streak_counted_from: datetime | None

    @property
    def entry_notional(self) -> Decimal:
        """What one entry may cost at most."""
        share = self.max_exposure / max(self.max_positions, 1)
        wanted = self.max_position_notional or share
        return min(wanted, self.max_order_notional or wanted)

    @property
    def simulated(self) -> bool:
        """Whether its orders fill at quotes here instead of at a broker."""
        return self.execution_mode == "SIMULATED"

    @property
    def ledger_in_doubt(self) -> bool:
        """Whether the broker may have what the database lost: both are still to be compared."""
        return self.ledger_halt is not None and self.ledger_agreed_at is None

    def halts(self, today: date) -> dict[str, str]:
        """Why entries are halted, by whom; a kill switch holds for the session it latched in."""
        latched = self.kill_switch_day is not None and self.kill_switch_day >= today
        named = {
            "operator": self.operator_halt,
            "books": self.books_halt,
            "order limits": self.order_limit_halt,
            "the ledger": self.ledger_halt,
            "kill switch": self.kill_switch if latched else None,
        }
        return {who: why for who, why in named.items() if why is not None}
