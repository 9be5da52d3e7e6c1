"""What an action's terms make of a position: every field of it and of the row that tells of it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from ops_pipeline.domain.broker import BrokerCashActivity
from ops_pipeline.domain.corporate.actions import CorporateAction
from ops_pipeline.domain.corporate.applying import applied, payments
from ops_pipeline.domain.corporate.terms import Adjustment, Terms, terms_of
from ops_pipeline.domain.ids import stable_uuid
from tests.support.positions import open_position

DAY = date(2026, 2, 5)
NOW = datetime(2026, 2, 5, 13, 30, tzinfo=UTC)
POSITION = open_position(
    NOW - timedelta(days=1),
    id=UUID(int=7),
    quantity=Decimal(15),
    peak_price=Decimal(103),
    trough_price=Decimal(97),
    current_price=Decimal("100.5"),
    doubted_price=Decimal(50),
    doubted_at=NOW,
)
# Of 20 that were bought 15 are left; three become one.
THIRD = Terms("reverse_split", "AAA", None, Decimal(3), Decimal(1), None, DAY)

SPLIT = CorporateAction(
    action_id="a1", kind="forward_split", symbol="AAA", new_symbol=None, old_rate=Decimal(1),
    new_rate=Decimal(2), cash=None, effective_on=DAY, process_on=DAY, payable_on=None,
    reason=None, content="{}",
)  # fmt: skip


def paid(amount: str, number: int = 1, **changes: Any) -> BrokerCashActivity:
    """A booking in cash at the broker."""
    return replace(
        BrokerCashActivity(
            activity_id=f"cash::{number}",
            kind="split",
            raw_kind="SPLIT",
            amount=Decimal(amount),
            symbol="AAA",
            created_at=NOW,
        ),
        **changes,
    )


def test_the_row_tells_what_was_before_and_after_and_of_what() -> None:
    found = applied(THIRD, POSITION, Decimal(5), (), now=NOW, action_id="a1", activity_id="b1")
    assert found.adjustment == Adjustment(
        id=stable_uuid("adjustment", POSITION.id, "a1"),
        position_id=POSITION.id,
        account_name="large",
        kind="reverse_split",
        action_id="a1",
        activity_id="b1",
        symbol="AAA",
        new_symbol=None,
        old_rate=Decimal(3),
        new_rate=Decimal(1),
        quantity_before=Decimal(15),
        quantity_after=Decimal(5),
        opened_before=Decimal(20),
        opened_after=Decimal("6.666666667"),
        fraction=Decimal(0),
        cash=Decimal(0),
        effective_on=DAY,
        applied_at=NOW,
    )
    assert found.adjustment.ratio == Decimal(1) / 3
    assert found.adjustment.units_elsewhere == Decimal(5) - 15 - (Decimal("6.666666667") - 20)


def test_without_an_announcement_the_row_is_known_by_its_activity() -> None:
    found = applied(THIRD, POSITION, Decimal(5), (), now=NOW, activity_id="b1")
    assert found.adjustment.id == stable_uuid("adjustment", POSITION.id, "b1")


def test_every_price_of_the_position_is_one_of_the_new_shares() -> None:
    after = applied(THIRD, POSITION, Decimal(5), (), now=NOW, action_id="a1").position
    assert after == replace(
        POSITION,
        quantity=Decimal(5),
        opened_quantity=Decimal("6.666666667"),
        entry_price=Decimal(100) * 20 / Decimal("6.666666667"),
        stop_loss=Decimal(294),
        take_profit=Decimal(309),
        initial_risk=Decimal(6),
        peak_price=Decimal(309),
        trough_price=Decimal(291),
        current_price=Decimal("301.5"),
        doubted_price=None,
        doubted_at=None,
    )


def test_prices_are_rounded_to_even_and_the_stop_as_the_broker_takes_it() -> None:
    two = replace(THIRD, kind="forward_split", old_rate=Decimal(1), new_rate=Decimal(2))
    odd = replace(POSITION, stop_loss=Decimal("98.01"), take_profit=Decimal("103.0003"))
    after = applied(two, odd, Decimal(30), (), now=NOW).position
    assert (after.stop_loss, after.take_profit) == (Decimal(49), Decimal("51.5002"))


def test_what_has_no_price_gets_none() -> None:
    bare = replace(POSITION, stop_loss=None, take_profit=None, peak_price=None)
    after = applied(THIRD, bare, Decimal(5), (), now=NOW).position
    assert (after.stop_loss, after.take_profit, after.peak_price) == (None, None, None)


def test_a_new_symbol_is_taken_where_shares_are_left() -> None:
    renaming = replace(THIRD, kind="name_change", new_symbol="BBB", old_rate=Decimal(1))
    fine = replace(POSITION, peak_price=Decimal("103.00005"))
    found = applied(renaming, fine, Decimal(15), (), now=NOW)
    assert found.position.peak_price == Decimal("103.00005")
    assert (found.position.symbol, found.position.ticker) == ("BBB", "BBB")
    assert found.adjustment.new_symbol == "BBB"
    assert (found.position.stop_loss, found.position.take_profit) == (Decimal(98), Decimal(103))
    gone = applied(renaming, POSITION, Decimal(0), (), now=NOW)
    assert (gone.adjustment.new_symbol, gone.position.symbol) == (None, "AAA")


def test_a_fraction_is_what_the_broker_does_not_hold_and_is_worth_what_it_paid() -> None:
    seventh = replace(THIRD, old_rate=Decimal(7))
    bookings = [paid("10.50"), paid("-0.50", 2)]
    found = applied(seventh, POSITION, Decimal(2), bookings, now=NOW).adjustment
    assert (found.fraction, found.cash) == (Decimal("0.142857143"), Decimal(10))
    untold = applied(seventh, POSITION, Decimal(2), (), now=NOW).adjustment
    assert untold.cash is None
    # More than there should be is no fraction.
    more = applied(seventh, POSITION, Decimal(3), (), now=NOW).adjustment
    assert (more.fraction, more.cash) == (Decimal(0), Decimal(0))


def test_cash_for_the_shares_is_theirs_and_beside_a_fraction_not_told() -> None:
    merger = replace(THIRD, kind="stock_and_cash_merger", cash=Decimal(2))
    assert applied(merger, POSITION, Decimal(5), [paid("9")], now=NOW).adjustment.cash == 30
    split = replace(merger, old_rate=Decimal(7))
    assert applied(split, POSITION, Decimal(2), [paid("9")], now=NOW).adjustment.cash is None


@pytest.mark.parametrize("kind", ["spin_off", "rights_distribution"])
def test_what_is_given_in_other_shares_has_no_price_here(kind: Any) -> None:
    given = replace(THIRD, kind=kind, old_rate=Decimal(1), cash=Decimal(1))
    assert applied(given, POSITION, Decimal(15), (), now=NOW).adjustment.cash is None


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"kind": "corporate"}, True),
        ({"kind": "dividend"}, False),
        ({"symbol": "BBB"}, True),
        ({"symbol": "CCC"}, False),
        ({"symbol": None}, False),
        ({"amount": Decimal(0)}, False),
        ({"created_at": datetime(2026, 2, 5, 4, 59, tzinfo=UTC)}, False),
        ({"created_at": datetime(2026, 2, 5, 5, 0, tzinfo=UTC)}, True),
    ],
)
def test_payments_are_of_the_security_and_from_its_day_on(
    changes: dict[str, Any], *, counts: bool
) -> None:
    booking = replace(paid("9"), **changes)
    assert payments([booking], replace(THIRD, new_symbol="BBB")) == [booking] * counts


def test_a_booking_of_no_security_is_none_of_an_action_without_a_new_symbol() -> None:
    assert payments([paid("9", symbol=None)], THIRD) == []


def test_the_terms_of_an_action_are_its_rates_where_it_restates() -> None:
    assert terms_of(SPLIT) == Terms(
        "forward_split", "AAA", None, Decimal(1), Decimal(2), None, SPLIT.effective_on
    )
    given = replace(
        SPLIT, kind="cash_dividend", new_symbol="BBB", cash=Decimal(3), old_rate=Decimal(5)
    )
    assert terms_of(given) == Terms(
        "cash_dividend", "AAA", None, Decimal(1), Decimal(1), Decimal(3), SPLIT.effective_on
    )
    plain = replace(SPLIT, kind="name_change", new_symbol="BBB", old_rate=None, new_rate=None)
    assert terms_of(plain) == Terms(
        "name_change", "AAA", "BBB", Decimal(1), Decimal(1), None, SPLIT.effective_on
    )
    assert terms_of(SPLIT).ratio == 2
