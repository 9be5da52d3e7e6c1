"""The tear sheet of one account: returns, risk and trades of a range of sessions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from ops_pipeline.domain.performance import ratios, returns, trades
from ops_pipeline.domain.performance.estimates import Estimate
from ops_pipeline.domain.performance.results import SessionResult, TradeResult
from ops_pipeline.domain.performance.returns import Drawdown
from ops_pipeline.domain.performance.trades import TradeStatistics

_NEW_YORK = ZoneInfo("America/New_York")

GROUPS: Mapping[str, Callable[[TradeResult], str]] = {
    "ticker": lambda trade: trade.ticker,
    "hour": lambda trade: f"{trade.entered_at.astimezone(_NEW_YORK):%H}:00",
    "exit_rule": lambda trade: trade.trait("exit_rule"),
    "confidence": lambda trade: trade.trait("confidence"),
    "sentiment": lambda trade: trade.trait("sentiment"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TearSheet:
    """USD and shares of 1; None is unknown.

    Attributes:
        total_return: Of all sessions, compounded.
        exposure: Share of the sessions' minutes in which something was held.
        turnover: Bought and sold a session over the mean opening equity.
        months: Compounded returns by YYYY-MM.
        groups: Statistics of trades by what they are grouped by and its value.
    """

    account: str
    first: date
    last: date
    sessions: int
    opening_equity: Decimal
    net: Decimal
    total_return: float
    sharpe: Estimate
    sortino: Estimate
    deepest: Drawdown | None
    longest: Drawdown | None
    exposure: float
    turnover: float | None
    months: Mapping[str, float]
    trades: TradeStatistics
    groups: Mapping[str, Mapping[str, TradeStatistics]]


def tear_sheet(
    account: str,
    sessions: Sequence[SessionResult],
    completed: Sequence[TradeResult],
    *,
    session_minutes: float,
) -> TearSheet:
    """Report on one account.

    Args:
        sessions: All of the range, also those without a trade: a day without one is a return of 0.
        completed: Trades that ended within the range.
        session_minutes: Minutes of all these sessions together, > 0.

    Raises:
        ValueError: no session; two results of one day; equity that is not above zero.
    """
    ordered = _in_order(account, sessions)
    daily = [session.simple_return for session in ordered]
    equity = sum((it.opening_equity for it in ordered), Decimal(0)) / len(ordered)
    return TearSheet(
        account=account,
        first=ordered[0].day,
        last=ordered[-1].day,
        sessions=len(ordered),
        opening_equity=ordered[0].opening_equity,
        net=sum((it.pnl for it in ordered), Decimal(0)),
        total_return=returns.compounded(daily),
        sharpe=ratios.sharpe(daily),
        sortino=ratios.sortino(daily),
        deepest=returns.deepest_drawdown(ordered),
        longest=returns.longest_drawdown(ordered),
        exposure=trades.minutes_in_market(completed) / session_minutes,
        turnover=trades.turnover(completed, equity, len(ordered)),
        months=returns.by_month(ordered),
        trades=trades.statistics(completed),
        groups={name: trades.grouped(completed, key) for name, key in GROUPS.items()},
    )


def _in_order(account: str, sessions: Sequence[SessionResult]) -> list[SessionResult]:
    if not sessions:
        raise ValueError(f"account {account}: no session to report on")
    ordered = sorted(sessions, key=lambda it: it.day)
    for one, other in pairwise(ordered):
        if one.day == other.day:
            raise ValueError(f"account {account}: two results of {one.day}")
    return ordered
