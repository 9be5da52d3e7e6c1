"""Limits of accounts are numbers within bounds, and none contradicts another."""

from decimal import Decimal

import pytest

from ops_pipeline.domain.deployment.account_limits import (
    LIMITS,
    NEW_LIMITS,
    out_of_order,
    read_limits,
    shown,
)


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_below_or_above_the_bounds_is_refused_by_its_name(name: str) -> None:
    bounds = LIMITS[name]
    for value in (bounds.least - 1, bounds.most + 1, "five", "nan", "1e3", True, [1], "٣"):
        found, (wrong,) = read_limits({name: value})
        assert found == {}
        assert wrong == f"{name}: expected {bounds.expected}"
    for value in (bounds.least, str(bounds.most)):
        assert read_limits({name: value}) == ({name: Decimal(value)}, [])


def test_each_wrong_one_is_named_at_once() -> None:
    found, wrong = read_limits({"max_positions": "2.5", "max_loss": 3, "max_exposure": "1500.50"})
    assert found == {"max_exposure": Decimal("1500.50")}
    assert wrong[0] == "max_positions: expected a whole number of 0 to 100"
    assert wrong[1].startswith("max_loss: unknown; expected one of max_positions, max_exposure")


def test_a_limit_that_may_have_no_value_of_its_own_loses_it() -> None:
    assert read_limits({"max_order_notional": "none"}) == ({"max_order_notional": None}, [])
    _, (wrong,) = read_limits({"max_exposure": None})
    assert wrong == "max_exposure: expected USD of 1 to 1,000,000"


def test_a_loss_above_all_that_may_be_invested_contradicts_it() -> None:
    limits = {"max_daily_loss": Decimal(600), "max_exposure": Decimal(500)}
    assert list(out_of_order(limits)) == [
        "max_daily_loss is 600: it must be at most max_exposure, which is 500"
    ]
    assert list(out_of_order(NEW_LIMITS)) == []


def test_a_limit_is_shown_as_it_is_typed() -> None:
    assert [shown(value) for value in (None, 5, Decimal("2000.00"), Decimal("1.50"))] == [
        "none",
        "5",
        "2000",
        "1.5",
    ]
