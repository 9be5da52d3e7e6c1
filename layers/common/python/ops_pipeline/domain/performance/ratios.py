"""Sharpe's and Sortino's ratio of a series of returns, with standard errors.

Returns are simple, one a session; the ratios are for a year of 252 sessions and a riskless
rate of zero, as is usual for results of a day.
"""

import math
from collections.abc import Sequence

from ops_pipeline.domain.performance.estimates import Estimate, deviation

SESSIONS_A_YEAR = 252


def sharpe(returns: Sequence[float]) -> Estimate:
    """Mean over standard deviation (n - 1), a year.

    The standard error allows for skew and fat tails (Mertens, 2002, Comments on variance of
    the IID estimator in Lo): Var = (1 + S^2/2 - skew*S + (kurtosis - 3)*S^2/4) / n, with S of one
    session. It takes sessions as independent. None where returns do not vary.
    """
    count = len(returns)
    spread = deviation(list(returns)) if count > 1 else 0.0
    if not _varies(spread, returns):
        return Estimate(None, None, count)
    centre = math.fsum(returns) / count
    ratio = centre / spread
    skew, kurtosis = _shape(returns, centre)
    variance = (1 + ratio**2 / 2 - skew * ratio + (kurtosis - 3) * ratio**2 / 4) / count
    return _a_year(ratio, math.sqrt(max(variance, 0.0)), count)


def sortino(returns: Sequence[float]) -> Estimate:
    """Mean over downside deviation, a year (Sortino and van der Meer, 1991, target zero).

    The downside deviation is the root of the mean square of losses over all n returns. The
    standard error is the delta method's: s of m/d's influence values over sqrt(n). None
    without a loss.
    """
    count = len(returns)
    squares = [min(value, 0.0) ** 2 for value in returns]
    downside = math.sqrt(math.fsum(squares) / count) if count else 0.0
    if count < 2 or downside == 0:
        return Estimate(None, None, count)
    centre = math.fsum(returns) / count
    influence = [
        (value - centre) / downside - centre * (square - downside**2) / (2 * downside**3)
        for value, square in zip(returns, squares, strict=True)
    ]
    return _a_year(centre / downside, deviation(influence) / math.sqrt(count), count)


def _a_year(ratio: float, standard_error: float, count: int) -> Estimate:
    scale = math.sqrt(SESSIONS_A_YEAR)
    return Estimate(ratio * scale, standard_error * scale, count)


def _varies(spread: float, returns: Sequence[float]) -> bool:
    # Equal returns have a deviation of some 1e-18 by rounding: a ratio of them means nothing.
    return spread > 1e-12 * max((abs(value) for value in returns), default=0.0)


def _shape(returns: Sequence[float], centre: float) -> tuple[float, float]:
    """Skewness and kurtosis (3 for a normal) by central moments over n."""
    count = len(returns)
    second, third, fourth = (
        math.fsum((value - centre) ** power for value in returns) / count for power in (2, 3, 4)
    )
    return third / second**1.5, fourth / second**2
