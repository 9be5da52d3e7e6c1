"""An open position for tests of what is decided on one: only what a test names is different."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ops_pipeline.domain.exits import Position


def open_position(entry_time: datetime, **changes: Any) -> Position:
    """A day trade of 20 AAA at $100 of the account `large`, with the usual stop and target."""
    bought = Position(
        id=UUID(int=1),
        execution_id=UUID(int=2),
        account_name="large",
        execution_mode="ALPACA_PAPER",
        broker="alpaca",
        ticker="AAA",
        symbol="AAA",
        instrument_type="STOCK",
        strategy_type="day_trade",
        quantity=Decimal(20),
        opened_quantity=Decimal(20),
        multiplier=1,
        entry_price=Decimal(100),
        entry_time=entry_time,
        stop_loss=Decimal(98),
        take_profit=Decimal(103),
        initial_risk=Decimal(2),
        max_hold_minutes=240,
        peak_price=Decimal(100),
        trough_price=Decimal(100),
        trailing_armed=False,
        lifecycle_state="initial",
        status="open",
        close_reason=None,
        exit_requested=None,
    )
    return replace(bought, **changes)
