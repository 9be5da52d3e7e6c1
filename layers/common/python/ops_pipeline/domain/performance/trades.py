"""Statistics of completed trades, after costs."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from ops_pipeline.domain.performance import estimates
from ops_pipeline.domain.performance.estimates import Estimate
from ops_pipeline.domain.performance.results import TradeResult


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeStatistics:
    """Of the trades of one group. USD; None is unknown.

    Attributes:
        gross, costs, net: Sums.
        win_rate: Share of trades with a net result above zero.
        profit_factor: Net gains over net losses; None without a loss.
        expectancy_usd, expectancy_bps: Mean net result of a trade; bps of its entry cost.
        expectancy_r: Mean of gross R over the trades that had a stop.
        cost_share: Costs over gross gains less gross losses; None where these are not above 0.
        holding_minutes: Mean.
    """

    trades: int
    gross: Decimal
    costs: Decimal
    net: Decimal
    win_rate: Estimate
    profit_factor: float | None
    expectancy_usd: Estimate
    expectancy_bps: Estimate
    expectancy_r: Estimate
    cost_share: float | None
    holding_minutes: float | None


def statistics(trades: Sequence[TradeResult]) -> TradeStatistics:
    gross = sum((trade.pnl for trade in trades), Decimal(0))
    costs = sum((trade.costs for trade in trades), Decimal(0))
    won = sum((trade.net for trade in trades if trade.net > 0), Decimal(0))
    lost = -sum((trade.net for trade in trades if trade.net < 0), Decimal(0))
    return TradeStatistics(
        trades=len(trades),
        gross=gross,
        costs=costs,
        net=gross - costs,
        win_rate=estimates.share(len([it for it in trades if it.net > 0]), len(trades)),
        profit_factor=float(won / lost) if lost else None,
        expectancy_usd=estimates.mean(float(trade.net) for trade in trades),
        expectancy_bps=estimates.mean(trade.net_bps for trade in trades),
        expectancy_r=estimates.mean(it.r_multiple for it in trades if it.r_multiple is not None),
        cost_share=float(costs / gross) if gross > 0 else None,
        holding_minutes=estimates.mean(trade.minutes for trade in trades).value,
    )


def grouped(
    trades: Iterable[TradeResult], key: Callable[[TradeResult], str]
) -> dict[str, TradeStatistics]:
    """Statistics of each group, by name of the group."""
    groups: dict[str, list[TradeResult]] = {}
    for trade in trades:
        groups.setdefault(key(trade), []).append(trade)
    return {name: statistics(groups[name]) for name in sorted(groups)}


def minutes_in_market(trades: Iterable[TradeResult]) -> float:
    """Minutes in which at least one of them was held; overlapping ones count once."""
    spans = sorted((trade.entered_at, trade.exited_at) for trade in trades)
    held, until = 0.0, datetime.min.replace(tzinfo=UTC)
    for start, end in spans:
        held += max((end - max(start, until)).total_seconds(), 0.0) / 60
        until = max(until, end)
    return held


def turnover(trades: Iterable[TradeResult], equity: Decimal, sessions: int) -> float | None:
    """Bought and sold a session over equity; None without equity or session."""
    if equity <= 0 or sessions == 0:
        return None
    traded = sum((2 * trade.notional + trade.pnl for trade in trades), Decimal(0))
    return float(traded / equity) / sessions


def bucket(value: float, width: float) -> str:
    """The range of this width that holds the value, such as 0.60-0.70."""
    low = math.floor(round(value / width, 9)) * width
    return f"{low:.2f}-{low + width:.2f}"
