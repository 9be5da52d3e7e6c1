"""Returns, ratios and drawdowns beside empyrical-reloaded; standard errors beside a bootstrap."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import empyrical
import numpy as np
import pandas as pd
import pytest

from ops_pipeline.domain.performance import ratios, returns
from ops_pipeline.domain.performance.estimates import Estimate
from ops_pipeline.domain.performance.results import SessionResult

EQUITY = Decimal(100_000)
FIRST = date(2025, 8, 1)


@pytest.fixture(params=range(6))
def sessions(request: pytest.FixtureRequest) -> list[SessionResult]:
    """A quarter to a year of results with fat tails, to the cent."""
    chance = np.random.default_rng(request.param)
    results = chance.standard_t(4, size=60 + 40 * request.param) * 600 + 25
    return [
        SessionResult(FIRST + timedelta(days=day), EQUITY, Decimal(f"{pnl:.2f}"))
        for day, pnl in enumerate(results)
    ]


def series(sessions: list[SessionResult]) -> pd.Series:
    days = pd.DatetimeIndex([str(session.day) for session in sessions])
    return pd.Series([session.simple_return for session in sessions], index=days)


def daily(sessions: list[SessionResult]) -> list[float]:
    return [session.simple_return for session in sessions]


def test_the_ratios_are_the_same(sessions: list[SessionResult]) -> None:
    known = series(sessions)
    assert ratios.sharpe(daily(sessions)).value == pytest.approx(empyrical.sharpe_ratio(known))
    assert ratios.sortino(daily(sessions)).value == pytest.approx(empyrical.sortino_ratio(known))


def test_total_and_monthly_returns_are_the_same(sessions: list[SessionResult]) -> None:
    known = series(sessions)
    assert returns.compounded(daily(sessions)) == pytest.approx(empyrical.cum_returns_final(known))
    monthly = empyrical.aggregate_returns(known, "monthly")
    expected = {f"{year}-{month:02d}": value for (year, month), value in monthly.items()}
    assert returns.by_month(sessions) == pytest.approx(expected)


def test_the_deepest_drawdown_is_the_same(sessions: list[SessionResult]) -> None:
    fall = returns.deepest_drawdown(sessions)
    assert fall is not None
    assert -fall.depth == pytest.approx(empyrical.max_drawdown(series(sessions)))


@pytest.mark.parametrize("ratio", [ratios.sharpe, ratios.sortino])
def test_the_standard_error_is_what_drawing_again_gives(
    ratio: Callable[[list[float]], Estimate],
) -> None:
    """Within a tenth of the spread over 4,000 samples drawn anew from the same source."""
    chance = np.random.default_rng(19)
    samples = chance.standard_t(6, size=(4_000, 250)) * 0.01 + 0.0005
    found = [ratio(list(sample)) for sample in samples]
    spread = np.std([it.value for it in found if it.value is not None], ddof=1)
    stated = np.median([it.standard_error for it in found if it.standard_error is not None])
    assert stated == pytest.approx(spread, rel=0.1)
