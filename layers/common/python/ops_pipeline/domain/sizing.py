"""How many shares an idea may buy: the least of what each bound allows.

Kelly: f* = p - (1 - p) / b with p the share of wins and b the mean win over the mean
loss (Kelly 1956, "A New Interpretation of Information Rate"); half of it is used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ops_pipeline.domain.orders import whole_units
from ops_pipeline.domain.parameters import SizingRules, Tier
from ops_pipeline.domain.trading_terms import Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingRoom:
    """What one account may still spend. USD, orders in flight already subtracted."""

    equity: Decimal
    exposure_left: Decimal
    buying_power: Decimal
    position_notional: Decimal
    fractional: bool


@dataclass(frozen=True, slots=True)
class Size:
    """The size and the bound that limits it; 0 means "do not trade", an ordinary result."""

    quantity: Decimal
    bound: str
    allowed: dict[str, Decimal]


def tier_of(equity: Decimal, rules: SizingRules) -> Tier:
    """The lowest tier that includes this equity."""
    for tier in rules.tiers:
        if tier.equity_up_to is None or equity <= tier.equity_up_to:
            return tier
    raise ValueError("the last tier must have no upper end")


def risk_fraction(
    tier: Tier, strategy: Strategy, results_pct: Sequence[float], rules: SizingRules
) -> float:
    """Share of equity that one trade may lose.

    Args:
        results_pct: P&L of the account's closed trades, percent, newest last.
    """
    full = tier.day_trade_risk if strategy == "day_trade" else tier.swing_trade_risk
    if len(results_pct) < rules.kelly_after_trades:
        return full
    half = half_kelly(results_pct[-rules.kelly_window_trades :])
    return min(full, max(half, full * rules.kelly_least_share))


def half_kelly(results_pct: Sequence[float]) -> float:
    """Half the Kelly fraction of these results; 0 when they hold no win."""
    wins = [result for result in results_pct if result > 0]
    losses = [-result for result in results_pct if result < 0]
    if not wins:
        return 0.0
    won = len(wins) / len(results_pct)
    if not losses:
        return won / 2
    odds = (math.fsum(wins) / len(wins)) / (math.fsum(losses) / len(losses))
    return max(0.0, (won - (1 - won) / odds) / 2)


def stock_size(
    limit: Decimal, *, risk: float, stop_distance: float, room: SizingRoom, factor: float = 1.0
) -> Size:
    """The shares that fit every bound, rounded down.

    Args:
        limit: Most a share may cost, USD, > 0.
        risk: Share of equity this trade may lose.
        stop_distance: Distance to the stop as a fraction of the price, > 0.
        room: What the account may still spend.
        factor: 0.5 in an elevated VIX regime.

    Raises:
        ValueError: limit or stop distance is not positive; there is no safe answer.
    """
    if limit <= 0 or stop_distance <= 0:
        raise ValueError("limit and stop distance must be positive")
    budget = room.equity * Decimal(str(risk))
    allowed = {
        "risk_budget": budget / (limit * Decimal(str(stop_distance))),
        "position_notional": room.position_notional / limit,
        "exposure_left": room.exposure_left / limit,
        "buying_power": room.buying_power / limit,
    }
    bound = min(allowed, key=lambda name: allowed[name])
    least = max(allowed[bound], Decimal(0)) * Decimal(str(factor))
    quantity = whole_units(least, fractional=room.fractional)
    shown = {name: value.quantize(Decimal("0.01")) for name, value in allowed.items()}
    return Size(quantity, bound, shown)
