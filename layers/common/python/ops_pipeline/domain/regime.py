"""Market regime: the volatility index, or a labelled substitute for it."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from math import sqrt
from statistics import stdev
from typing import Literal

# "vix" is its publisher's file of daily closes, "vix_alpaca" the last value that Alpaca has.
RegimeSource = Literal["vix", "vix_alpaca", "realised_volatility_spy"]
INDEX_SOURCES: tuple[RegimeSource, ...] = ("vix", "vix_alpaca")

SESSIONS_A_YEAR = 252
# The index looks 30 days ahead, about 21 sessions; the substitute looks as far back.
SESSIONS_LOOKED_AT = 22
FEWEST_SESSIONS = 5


# The index has closed between 9 and 83 in thirty years.
LEAST_VIX, MOST_VIX = 5.0, 200.0


def is_plausible_vix(close: float) -> bool:
    """Whether the index can have closed there; a day of 0.01 would open every gate."""
    return LEAST_VIX <= close <= MOST_VIX


def realised_volatility(daily_closes: Sequence[Decimal]) -> float | None:
    """Annualised sample standard deviation of daily simple returns, in percent as VIX is.

    Args:
        daily_closes: Closes of sessions in a row, oldest first, USD, > 0.

    None when there are too few sessions to say, or nothing moved in them.
    """
    if len(daily_closes) < FEWEST_SESSIONS:
        return None
    returns = [float(close / before) - 1 for before, close in pairwise(daily_closes)]
    volatility = stdev(returns) * sqrt(SESSIONS_A_YEAR) * 100
    return volatility or None


def unbroken_run(closes: Sequence[tuple[date, Decimal | None]]) -> list[Decimal]:
    """The newest closes without a missing session between them, oldest first.

    Args:
        closes: Each session and its close, None where nothing is stored, oldest first.
    """
    run: list[Decimal] = []
    for _, close in reversed(closes):
        if close is None:
            break
        run.append(close)
    return run[::-1]
