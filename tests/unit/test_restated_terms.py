"""Whether a position, or an order that rests, has the terms of after a corporate action."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.corporate.actions import CorporateAction
from ops_pipeline.domain.corporate.adjustments import (
    Adjustment,
    has_restated_terms,
    is_restated,
)
from ops_pipeline.domain.orders import Order
from tests.support.positions import open_position

DECIDED = datetime(2026, 2, 4, 15, tzinfo=UTC)
DAY_AFTER = date(2026, 2, 5)
POSITION = open_position(DECIDED)
# A stop for 19 AAA, and as the broker shows it.
STOP = Order(
    client_order_id="stop-1", account_name="large", execution_mode="ALPACA_PAPER",
    broker="alpaca", purpose="stop", recommendation_id=None, position_id=POSITION.id, attempt=1,
    ticker="AAA", symbol="AAA", instrument_type="STOCK", multiplier=1, side="sell",
    quantity=Decimal(19), order_type="stop", price=Decimal(98), reason="stop_loss",
    decided_at=DECIDED, tick=DECIDED, parameter_version=1, broker_order_id="b-1",
)  # fmt: skip
SHOWN = BrokerOrder(
    broker_order_id="b-1", client_order_id="stop-1", symbol="AAA", side="sell",
    order_type="stop", quantity=Decimal(19), filled_quantity=Decimal(0),
    filled_average_price=None, status="working", raw_status="new", submitted_at=DECIDED,
    updated_at=DECIDED,
)  # fmt: skip
ACTION = CorporateAction(
    action_id="a1", kind="forward_split", symbol="AAA", new_symbol=None, old_rate=Decimal(1),
    new_rate=Decimal(2), cash=None, effective_on=DAY_AFTER, process_on=DAY_AFTER,
    payable_on=None, reason=None, content="{}",
)  # fmt: skip


def adjustment(old: int, new: int, to: str | None = None, hours: int = 12) -> Adjustment:
    """One that was booked so many hours after the stop was decided."""
    return Adjustment(
        id=UUID(int=9), position_id=POSITION.id, account_name="large", kind="forward_split",
        action_id="a1", activity_id=None, symbol="AAA", new_symbol=to, old_rate=Decimal(old),
        new_rate=Decimal(new), quantity_before=Decimal(19), quantity_after=Decimal(38),
        opened_before=Decimal(19), opened_after=Decimal(38), fraction=Decimal(0), cash=None,
        effective_on=DAY_AFTER, applied_at=DECIDED + timedelta(hours=hours),
    )  # fmt: skip


def restated(
    quantity: str,
    *,
    known: tuple[Adjustment, ...] = (),
    announced: tuple[CorporateAction, ...] = (),
    order: Order = STOP,
    **shown: Any,
) -> bool:
    found = replace(SHOWN, quantity=Decimal(quantity), **shown)
    return has_restated_terms(order, found, known, announced)


def test_without_an_action_no_terms_are_restated() -> None:
    assert not restated("19")
    assert not restated("38")


@pytest.mark.parametrize(("quantity", "is_it"), [("38", True), ("19", True), ("20", False)])
def test_a_booked_split_restates_the_number_or_leaves_it(quantity: str, *, is_it: bool) -> None:
    assert restated(quantity, known=(adjustment(1, 2),)) is is_it


@pytest.mark.parametrize(
    ("quantity", "is_it"), [("1", True), ("1.9", True), ("2", True), ("3", False)]
)
def test_of_a_fraction_the_broker_may_show_it_or_round_it_either_way(
    quantity: str, *, is_it: bool
) -> None:
    assert restated(quantity, known=(adjustment(10, 1),)) is is_it


def test_a_small_fraction_may_be_rounded_up_too() -> None:
    order = replace(STOP, quantity=Decimal(13))
    assert restated("2", known=(adjustment(10, 1),), order=order)


def test_what_was_booked_before_the_order_restates_nothing_of_it() -> None:
    assert not restated("38", known=(adjustment(1, 2, hours=0),))
    assert not restated("38", known=(adjustment(1, 2, hours=-1),))


def test_several_that_were_booked_are_one_ratio() -> None:
    both = (adjustment(1, 2), adjustment(1, 3))
    assert restated("114", known=both)
    assert not restated("38", known=both)


def test_a_booked_renaming_allows_the_new_symbol_and_the_old_one() -> None:
    known = (adjustment(1, 1, to="BBB"),)
    assert restated("19", known=known, symbol="BBB")
    assert restated("19", known=known)
    assert not restated("19", known=known, symbol="CCC")


def test_where_nothing_is_booked_the_announcement_counts_from_the_day_after_the_order() -> None:
    assert restated("38", announced=(ACTION,))
    same_day = replace(ACTION, effective_on=date(2026, 2, 4))
    assert not restated("38", announced=(same_day,))
    unclear = replace(ACTION, reason="nobody knows")
    assert not restated("38", announced=(unclear,))
    renamed = replace(ACTION, kind="name_change", new_symbol="BBB", old_rate=None, new_rate=None)
    assert restated("38", announced=(ACTION, renamed), symbol="BBB")


def test_what_is_booked_goes_before_what_is_announced() -> None:
    assert not restated(
        "57", known=(adjustment(1, 2),), announced=(replace(ACTION, new_rate=Decimal(3)),)
    )


@pytest.mark.parametrize("other", [{"side": "buy"}, {"broker_order_id": "b-2"}])
def test_another_side_or_another_id_is_another_order(other: dict[str, Any]) -> None:
    assert not restated("38", known=(adjustment(1, 2),), **other)


def test_an_order_whose_id_is_not_known_yet_may_be_it() -> None:
    order = replace(STOP, broker_order_id=None)
    assert restated("38", known=(adjustment(1, 2),), order=order, broker_order_id="b-7")


def test_a_position_is_restated_with_other_shares_at_the_same_cost_or_another_symbol() -> None:
    doubled = replace(POSITION, opened_quantity=Decimal(40), entry_price=Decimal(50))
    assert is_restated(POSITION, doubled)
    assert is_restated(POSITION, replace(POSITION, symbol="BBB"))
    assert not is_restated(POSITION, POSITION)
    bought = replace(POSITION, opened_quantity=Decimal(40))
    assert not is_restated(POSITION, bought)
    repriced = replace(POSITION, entry_price=Decimal(50))
    assert not is_restated(POSITION, repriced)


@pytest.mark.parametrize(("more", "is_it"), [("0.00009", True), ("0.0001", False)])
def test_the_same_cost_is_the_same_but_for_rounding(more: str, *, is_it: bool) -> None:
    price = (Decimal(2000) + Decimal(more)) / 40
    other = replace(POSITION, opened_quantity=Decimal(40), entry_price=price)
    assert is_restated(POSITION, other) is is_it
