"""Returns of sessions, compounded to months and to an equity curve with its drawdowns."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from operator import mul

from ops_pipeline.domain.performance.results import SessionResult


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall from a high of the compounded curve.

    Attributes:
        depth: As a share of the high, 0 to 1.
        began: The last session at the high; None: the start.
        deepest: The session of the low.
        recovered: The first session back at the high; None: not yet.
        sessions: After the high until it was reached again, or until the last one.
    """

    depth: float
    began: date | None
    deepest: date
    recovered: date | None
    sessions: int


def compounded(returns: Sequence[float]) -> float:
    """What returns in a row come to, as one return."""
    growth = 1.0
    for value in returns:
        growth *= 1 + value
    return growth - 1


def by_month(sessions: Sequence[SessionResult]) -> dict[str, float]:
    """The compounded return of each month as YYYY-MM, oldest first."""
    months: defaultdict[str, list[float]] = defaultdict(list)
    for session in sorted(sessions, key=lambda it: it.day):
        months[f"{session.day:%Y-%m}"].append(session.simple_return)
    return {month: compounded(values) for month, values in months.items()}


def curve(returns: Sequence[float]) -> list[float]:
    """Growth of 1 after each session."""
    return list(accumulate((1 + value for value in returns), mul))


def deepest_drawdown(sessions: Sequence[SessionResult]) -> Drawdown | None:
    """The deepest one, of equals the first; None if the curve never fell."""
    falls = [it for it in _drawdowns(sessions) if it.depth > 0]
    return max(falls, key=lambda it: it.depth, default=None)


def longest_drawdown(sessions: Sequence[SessionResult]) -> Drawdown | None:
    """The one of most sessions, of equals the first; None if the curve never fell."""
    falls = [it for it in _drawdowns(sessions) if it.depth > 0]
    return max(falls, key=lambda it: it.sessions, default=None)


def _drawdowns(sessions: Sequence[SessionResult]) -> list[Drawdown]:
    """Each stretch under a high, in order."""
    found: list[Drawdown] = []
    high, high_on = 1.0, None
    fall: Drawdown | None = None
    ordered = sorted(sessions, key=lambda it: it.day)
    for session, value in zip(ordered, curve([it.simple_return for it in ordered]), strict=True):
        if value >= high:
            if fall is not None:
                found.append(_ended(fall, session.day))
            high, high_on, fall = value, session.day, None
            continue
        fall = _deeper(fall, 1 - value / high, high_on, session.day)
    return [*found, fall] if fall is not None else found


def _deeper(fall: Drawdown | None, depth: float, began: date | None, day: date) -> Drawdown:
    if fall is None:
        return Drawdown(depth, began, day, None, 1)
    low, deepest = (depth, day) if depth > fall.depth else (fall.depth, fall.deepest)
    return Drawdown(low, began, deepest, None, fall.sessions + 1)


def _ended(fall: Drawdown, day: date) -> Drawdown:
    return Drawdown(fall.depth, fall.began, fall.deepest, day, fall.sessions + 1)
