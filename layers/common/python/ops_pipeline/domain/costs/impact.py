"""What an order costs beside fees: half the quoted spread, and the price that it moves itself.

Both are contained in a real fill's price, and are never taken from a profit again: a backtest
adds them where its fills do not have them, and a report shows them.
"""

import math
from decimal import Decimal


def half_spread(bid: Decimal, ask: Decimal) -> Decimal:
    """What crossing the quoted spread costs, USD a share; 0 for a locked or crossed quote."""
    return max(ask - bid, Decimal(0)) / 2


def impact_bps(quantity: float, day_volume: float, day_volatility: float) -> float:
    """By how much an order moves the price against itself, basis points.

    The square-root law with a constant of one: volatility of a day x sqrt(quantity / volume of
    a day) (Almgren, Thum, Hauptmann and Li 2005, "Direct Estimation of Equity Market Impact";
    Toth et al. 2011, "Anomalous Price Impact and the Critical Nature of Liquidity in Financial
    Markets"). 100 shares of 10 million a day at 2 % a day are 0.6 basis points.

    Args:
        quantity: Shares of the order, >= 0.
        day_volume: Shares that are traded in a day, > 0.
        day_volatility: Standard deviation of a day's return, 0.02 is 2 %.

    Raises:
        ValueError: no volume is known; an impact on nothing cannot be said.
    """
    if day_volume <= 0:
        raise ValueError("the volume of a day is above 0")
    return 10_000 * day_volatility * math.sqrt(quantity / day_volume)
