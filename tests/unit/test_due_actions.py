"""Which announced actions a position has still to be adjusted for, and in which order."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from ops_pipeline.domain.corporate.actions import ActionKind, CorporateAction
from ops_pipeline.domain.corporate.adjustments import (
    Adjustment,
    concerns,
    decidable,
    due,
    is_done,
)
from tests.support.positions import open_position

NOW = datetime(2026, 2, 5, 13, 30, tzinfo=UTC)
TODAY = date(2026, 2, 5)
POSITION = open_position(NOW - timedelta(days=1))
SPLIT = CorporateAction(
    action_id="a1", kind="forward_split", symbol="AAA", new_symbol=None, old_rate=Decimal(1),
    new_rate=Decimal(2), cash=None, effective_on=TODAY, process_on=TODAY, payable_on=None,
    reason=None, content="{}",
)  # fmt: skip
PLAIN = replace(SPLIT, old_rate=None, new_rate=None)
DIVIDEND = replace(PLAIN, action_id="d1", kind="cash_dividend", cash=Decimal("0.5"))


def adjustment(**changes: Any) -> Adjustment:
    """Of the split above, by another announcement of it."""
    made = Adjustment(
        id=UUID(int=9), position_id=POSITION.id, account_name="large", kind="forward_split",
        action_id="other", activity_id=None, symbol="AAA", new_symbol=None, old_rate=Decimal(1),
        new_rate=Decimal(2), quantity_before=Decimal(20), quantity_after=Decimal(40),
        opened_before=Decimal(20), opened_after=Decimal(40), fraction=Decimal(0),
        cash=Decimal(0), effective_on=TODAY, applied_at=NOW,
    )  # fmt: skip
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("action", "position", "does"),
    [
        (SPLIT, POSITION, True),
        (replace(SPLIT, effective_on=TODAY - timedelta(days=1)), POSITION, False),
        (SPLIT, replace(POSITION, entry_time=NOW), False),
        (replace(SPLIT, effective_on=TODAY + timedelta(days=1)), POSITION, False),
        (replace(SPLIT, symbol="BBB"), POSITION, False),
        (SPLIT, replace(POSITION, instrument_type="CALL"), False),
    ],
)
def test_an_action_concerns_stock_that_was_held_before_its_day(
    action: CorporateAction, position: Any, *, does: bool
) -> None:
    assert concerns(action, position, TODAY) is does


def test_it_is_done_under_its_own_id_whatever_else_differs() -> None:
    other = adjustment(action_id="a1", kind="reverse_split", symbol="ZZZ")
    assert is_done(SPLIT, [other])
    assert not is_done(SPLIT, [])


@pytest.mark.parametrize(
    ("changes", "done"),
    [
        ({}, True),
        ({"kind": "stock_dividend"}, True),
        ({"kind": "cash_dividend"}, False),
        ({"effective_on": TODAY + timedelta(days=5)}, True),
        ({"effective_on": TODAY - timedelta(days=6)}, False),
        ({"symbol": "BBB"}, False),
        ({"new_rate": Decimal("2.02")}, True),
        ({"new_rate": Decimal("2.03")}, False),
        ({"new_rate": Decimal("1.97")}, False),
    ],
)
def test_a_split_is_done_under_another_id_within_days_at_the_same_ratio(
    changes: dict[str, Any], *, done: bool
) -> None:
    assert is_done(SPLIT, [adjustment(**changes)]) is done


@pytest.mark.parametrize(
    ("after", "action_id", "done"),
    [("2", None, True), ("3", None, True), ("4", None, False), ("2.857142857", None, True),
     ("2", "other", False)],
)  # fmt: skip
def test_what_an_activity_alone_told_of_may_be_rounded(
    after: str, action_id: str | None, *, done: bool
) -> None:
    seventh = replace(SPLIT, kind="reverse_split", old_rate=Decimal(7), new_rate=Decimal(1))
    told = adjustment(
        action_id=action_id, activity_id="b1", kind="reverse_split", old_rate=Decimal(20),
        new_rate=Decimal(2), quantity_after=Decimal(after),
    )  # fmt: skip
    assert is_done(seventh, [told]) is done


@pytest.mark.parametrize(
    ("cash", "done"),
    [("10", True), ("10.00001", True), ("10.00002", False), ("9.9", False), (None, False)],
)
def test_what_is_given_is_the_same_at_the_same_amount_a_share(
    cash: str | None, *, done: bool
) -> None:
    booked = adjustment(kind="cash_dividend", cash=None if cash is None else Decimal(cash))
    assert is_done(DIVIDEND, [booked]) is done


def test_a_ratio_is_the_same_up_to_a_hundredth_and_a_unit_split_is_no_split() -> None:
    assert is_done(replace(SPLIT, new_rate=Decimal("1.98")), [adjustment()])
    assert not is_done(replace(SPLIT, kind="unit_split"), [adjustment()])
    seventh = replace(SPLIT, kind="reverse_split", old_rate=Decimal(7), new_rate=Decimal(1))
    up = adjustment(
        action_id=None, quantity_before=Decimal(15), quantity_after=Decimal(3), new_rate=Decimal(1)
    )
    assert is_done(seventh, [up])


def test_one_gift_that_is_told_twice_is_due_once() -> None:
    again = replace(DIVIDEND, action_id="d2")
    assert due([DIVIDEND, again], POSITION, (), today=TODAY) == [DIVIDEND]


def test_what_is_given_without_an_amount_is_the_same_without_one() -> None:
    spin_off = replace(PLAIN, kind="spin_off", new_symbol="SPUN")
    assert is_done(spin_off, [adjustment(kind="spin_off", cash=None)])
    assert not is_done(spin_off, [adjustment(kind="spin_off", cash=Decimal(1))])


def test_they_come_by_day_gifts_first_then_reverse_forward_and_renaming() -> None:
    kinds: tuple[ActionKind, ...] = (
        "unit_split", "name_change", "forward_split", "reverse_split", "stock_merger",
        "cash_dividend", "cash_merger",
    )  # fmt: skip
    told = [
        replace(PLAIN, action_id=f"{number}", kind=kind, cash=Decimal(number))
        for number, kind in enumerate(kinds)
    ]
    early = replace(
        PLAIN, action_id="9", kind="name_change", effective_on=TODAY - timedelta(days=1)
    )
    position = replace(POSITION, entry_time=NOW - timedelta(days=9))
    found = due([*told, early], position, (), today=TODAY)
    assert [it.kind for it in found] == [
        "name_change", "cash_dividend", "reverse_split", "stock_merger", "forward_split",
        "name_change", "unit_split", "cash_merger",
    ]  # fmt: skip
    by_id = [replace(DIVIDEND, action_id=it, cash=Decimal(it)) for it in ("2", "1")]
    assert [it.action_id for it in due(by_id, POSITION, (), today=TODAY)] == ["1", "2"]


def test_what_is_done_or_does_not_concern_it_is_not_due() -> None:
    assert due([SPLIT], POSITION, [adjustment()], today=TODAY) == []
    assert due([replace(SPLIT, symbol="BBB")], POSITION, (), today=TODAY) == []


@pytest.mark.parametrize(
    ("changes", "is_other"),
    [
        ({}, False),
        ({"kind": "stock_dividend"}, False),
        ({"kind": "cash_merger"}, True),
        ({"kind": "cash_dividend", "action_id": "a0"}, True),
        ({"new_rate": Decimal(3)}, True),
        ({"cash": Decimal(1)}, True),
        ({"new_symbol": "BBB"}, True),
        ({"effective_on": TODAY - timedelta(days=5)}, False),
        ({"effective_on": TODAY - timedelta(days=6)}, True),
    ],
)
def test_two_announcements_of_one_action_are_one(
    changes: dict[str, Any], *, is_other: bool
) -> None:
    position = replace(POSITION, entry_time=NOW - timedelta(days=30))
    other = replace(SPLIT, **{"action_id": "a2", **changes})
    assert len(due([SPLIT, other], position, (), today=TODAY)) == 1 + is_other


def test_gifts_that_are_not_understood_keep_no_split_back_and_all_else_does() -> None:
    odd_gift = replace(DIVIDEND, reason="nobody knows")
    odd = replace(PLAIN, action_id="o1", kind="reorganization")
    odd_too = replace(odd, action_id="o2")
    assert decidable([odd_gift, SPLIT]) == ([SPLIT], None)
    assert decidable([odd_gift]) == ([], odd_gift)
    assert decidable([odd_gift, odd, odd_too, SPLIT]) == ([SPLIT], odd)
    assert decidable(iter([SPLIT, DIVIDEND])) == ([SPLIT, DIVIDEND], None)
