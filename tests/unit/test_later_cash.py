"""What an adjustment paid for fractions of shares, told by the broker only later."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from ops_pipeline.domain.broker import BrokerCashActivity
from ops_pipeline.domain.corporate.adjustments import (
    Adjustment,
    awaited,
    cash_is_told,
    paid_later,
)
from ops_pipeline.domain.ids import stable_uuid
from tests.support.positions import open_position

DAY = date(2026, 2, 5)
NOW = datetime(2026, 2, 5, 13, 30, tzinfo=UTC)
POSITION = open_position(NOW - timedelta(days=1), symbol="BBB", ticker="BBB", quantity=Decimal(2))
# 20 AAA became 2 BBB and 0.857 of one.
UNTOLD = Adjustment(
    id=UUID(int=9), position_id=POSITION.id, account_name="large", kind="stock_merger",
    action_id="a1", activity_id=None, symbol="AAA", new_symbol="BBB", old_rate=Decimal(7),
    new_rate=Decimal(1), quantity_before=Decimal(20), quantity_after=Decimal(2),
    opened_before=Decimal(20), opened_after=Decimal("2.857"), fraction=Decimal("0.857"),
    cash=None, effective_on=DAY, applied_at=NOW,
)  # fmt: skip
LATER = replace(
    UNTOLD, id=UUID(int=10), action_id=None, activity_id="c1", old_rate=Decimal(1),
    fraction=Decimal(0), cash=Decimal(9),
)  # fmt: skip
BOOKED = BrokerCashActivity("c1", "corporate", "MA", Decimal(10), NOW, "BBB")
TAKEN = replace(BOOKED, activity_id="c2", amount=Decimal(-1), symbol="AAA")


def test_cash_that_was_told_at_once_is_awaited_by_none() -> None:
    told = replace(UNTOLD, cash=Decimal(0))
    assert awaited([told]) is None
    assert cash_is_told([told])
    assert cash_is_told([])


def test_an_untold_fraction_is_awaited_and_proves_nothing() -> None:
    whole = replace(UNTOLD, fraction=Decimal(0))
    assert awaited([whole, UNTOLD]) is UNTOLD
    assert awaited([whole]) is None
    assert not cash_is_told([UNTOLD])
    assert not cash_is_told([replace(UNTOLD, cash=Decimal(1)), UNTOLD])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, True),
        ({"activity_id": None}, False),
        ({"old_rate": Decimal(2)}, False),
        ({"cash": Decimal(0)}, False),
        ({"kind": "reverse_split"}, False),
        ({"effective_on": DAY + timedelta(days=1)}, False),
    ],
)
def test_a_later_row_of_the_same_action_tells_it(changes: dict[str, Any], *, told: bool) -> None:
    later = replace(LATER, **changes)
    assert (awaited([UNTOLD, later]) is None) is told
    assert cash_is_told([UNTOLD, later]) is told


def test_a_later_row_tells_no_cash_of_what_had_no_fraction() -> None:
    """As of a spin-off, whose shares have no price here."""
    assert not cash_is_told([replace(UNTOLD, fraction=Decimal(0)), LATER])


def test_what_was_booked_is_one_row_that_changes_no_share() -> None:
    found = paid_later(POSITION, [UNTOLD], [BOOKED, TAKEN], now=NOW)
    assert found is not None
    assert found.position == POSITION
    assert found.adjustment == Adjustment(
        id=stable_uuid("adjustment", POSITION.id, "c1"),
        position_id=POSITION.id,
        account_name="large",
        kind="stock_merger",
        action_id=None,
        activity_id="c1",
        symbol="BBB",
        new_symbol=None,
        old_rate=Decimal(1),
        new_rate=Decimal(1),
        quantity_before=Decimal(2),
        quantity_after=Decimal(2),
        opened_before=Decimal(20),
        opened_after=Decimal(20),
        fraction=Decimal(0),
        cash=Decimal(9),
        effective_on=DAY,
        applied_at=NOW,
    )


def test_without_a_booking_or_something_awaited_there_is_no_row() -> None:
    assert paid_later(POSITION, [UNTOLD], [], now=NOW) is None
    assert paid_later(POSITION, [UNTOLD, LATER], [BOOKED], now=NOW) is None
    other = replace(BOOKED, symbol="CCC")
    assert paid_later(POSITION, [UNTOLD], [other], now=NOW) is None
    early = replace(BOOKED, created_at=NOW - timedelta(days=1))
    assert paid_later(POSITION, [UNTOLD], [early], now=NOW) is None
