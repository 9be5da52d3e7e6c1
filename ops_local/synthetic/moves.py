"""Price moves of single tickers in a generated session: break-outs, trends, reversals.

A move is planned before any price is drawn, so that news can come ahead of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ops_local.synthetic.universe import GeneratedCompany

SESSION_MINUTES = 390
Fate = Literal["holds", "reverses", "trend_day"]


@dataclass(frozen=True, slots=True)
class Move:
    """One planned move of one ticker; minutes count from the opening.

    Attributes:
        log_return: Sum over the move; a reversal gives back more than that afterwards.
        surge: Volume in its first minutes as a multiple of the usual.
        surge_minutes: How long that lasts; it fades over the same time.
        lead_minutes: How long before the move the news comes; None without news.
        news_sign: Sentiment of the news: not always the direction of the move.
    """

    ticker: str
    start: int
    minutes: int
    log_return: float
    fate: Fate
    surge: float
    surge_minutes: int
    lead_minutes: float | None
    news_sign: int


# fate, how many in a universe of 33, share that goes up
_MIX: tuple[tuple[Fate, int, float], ...] = (
    ("trend_day", 7, 0.6),
    ("holds", 14, 0.6),
    ("reverses", 16, 0.65),
)
_LENGTH = {"trend_day": (150, 260), "holds": (30, 75), "reverses": (18, 32)}
_SIZE = {"trend_day": (0.028, 0.052), "holds": (0.020, 0.042), "reverses": (0.010, 0.017)}


def plan(rng: np.random.Generator, companies: Sequence[GeneratedCompany]) -> list[Move]:
    """Draw the moves of a day, by start; funds have none."""
    tickers = [company.ticker for company in companies if not company.is_fund]
    moves: list[Move] = []
    for fate, count, share_up in _MIX:
        wanted = round(count * len(tickers) / 31)
        ups = round(wanted * share_up)
        for number in range(wanted):
            place = _place(rng, fate, tickers, moves)
            if place is not None:
                moves.append(_draw(rng, fate, 1 if number < ups else -1, place))
    return sorted(moves, key=lambda move: (move.start, move.ticker))


def _place(
    rng: np.random.Generator, fate: Fate, tickers: Sequence[str], taken: Sequence[Move]
) -> tuple[str, int, int] | None:
    """Ticker, start and length of a move apart from others; None if the day is full."""
    for _ in range(50):
        minutes = int(rng.integers(*_LENGTH[fate]))
        start = int(rng.integers(25, 110) if fate == "trend_day" else rng.integers(40, 330))
        ticker = str(rng.choice(tickers))
        span = range(start - 20, start + 2 * minutes + 20)
        if not any(move.ticker == ticker and _touches(move, span) for move in taken):
            return ticker, start, min(minutes, SESSION_MINUTES - start)
    return None


def _draw(rng: np.random.Generator, fate: Fate, sign: int, place: tuple[str, int, int]) -> Move:
    ticker, start, minutes = place
    in_news = rng.random() < 0.75
    right = rng.random() < 0.72
    return Move(
        ticker=ticker,
        start=start,
        minutes=minutes,
        log_return=sign * float(rng.uniform(*_SIZE[fate])),
        fate=fate,
        surge=float(rng.uniform(2.5, 8.0)),
        surge_minutes=int(rng.integers(3, 9)),
        lead_minutes=float(rng.uniform(5, 20)) if in_news else None,
        news_sign=sign if right else -sign,
    )


def _touches(move: Move, span: range) -> bool:
    return move.start < span.stop and span.start < move.start + 2 * move.minutes


def drift(move: Move) -> NDArray[np.float64]:
    """Log return that this move adds to each session minute.

    The sum is its log return; for a reversal it is -1.4 times that, if the day is long
    enough.
    """
    added = np.zeros(SESSION_MINUTES)
    # Strongest at the start: a break-out is news being priced in.
    weights = np.linspace(1.4, 0.6, move.minutes) if move.fate != "trend_day" else 1.0
    added[move.start : move.start + move.minutes] = move.log_return * weights / move.minutes
    if move.fate == "reverses":
        back = added[move.start + move.minutes : move.start + 3 * move.minutes]
        back[:] = -2.4 * move.log_return / (2 * move.minutes)
    return added


def volume_factor(rng: np.random.Generator, move: Move) -> NDArray[np.float64]:
    """Multiple of the usual volume in each session minute: the surge and later bursts."""
    factor = np.ones(SESSION_MINUTES)
    factor[move.start : move.start + move.minutes] = 1.25
    bursts = [move.start]
    if move.fate == "trend_day":
        bursts += [move.start + int(at) for at in np.sort(rng.integers(30, move.minutes, 4))]
    for number, at in enumerate(bursts):
        peak = move.surge if number == 0 else float(rng.uniform(2.0, 4.0))
        shape = np.concatenate(
            [np.full(move.surge_minutes, peak), np.linspace(peak, 1.25, move.surge_minutes)]
        )
        place = factor[at : at + len(shape)]
        place[:] = np.maximum(place, shape[: len(place)])
    return factor
