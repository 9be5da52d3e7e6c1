"""The stand-in for the volatility index."""

from datetime import date
from decimal import Decimal
from math import isclose

import pytest

from ops_pipeline.domain.regime import realised_volatility, unbroken_run

CLOSES = [Decimal(text) for text in ("100", "101", "99.99", "100.9899", "99.980001")]


def test_it_is_the_annualised_sample_deviation_of_daily_returns_in_percent() -> None:
    # Returns +1 %, -1 %, +1 %, -1 %: mean 0, sample deviation 0.01 x sqrt(4 / 3).
    expected = 0.01 * (4 / 3) ** 0.5 * 252**0.5 * 100
    assert isclose(realised_volatility(CLOSES) or 0, expected, rel_tol=1e-9)


def test_four_sessions_are_too_few_to_say() -> None:
    assert realised_volatility(CLOSES[:4]) is None


def test_closes_that_never_moved_give_no_reading_rather_than_zero() -> None:
    assert realised_volatility([Decimal(100)] * 6) is None


@pytest.mark.parametrize(("missing", "left"), [(None, 5), (0, 4), (2, 2), (4, 0)])
def test_only_the_newest_sessions_without_a_hole_count(missing: int | None, left: int) -> None:
    closes = [
        (date(2026, 2, 2 + place), None if place == missing else close)
        for place, close in enumerate(CLOSES)
    ]
    assert unbroken_run(closes) == CLOSES[5 - left :]
