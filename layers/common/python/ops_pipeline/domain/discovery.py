"""Which securities that news speaks of are worth watching, and why.

Only what is known counts: a security without bars is not proposed, however often it is
named. The figures are no trading rules: a person decides on every proposal.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ops_pipeline.domain.market import Bar

STORY_DAYS = 3
LEAST_STORIES, STORIES_FOR_FULL_WEIGHT = 3, 10
# A day's trade in USD as our data feed shows it; IEX shows a few percent of the whole.
LEAST_DOLLAR_VOLUME, FULL_DOLLAR_VOLUME = 1e6, 1e8
# Of the session's minutes, those that saw a trade: under this its price stands still.
LEAST_TRADED_SHARE = 0.5
LEAST_SCORE, MOST_CANDIDATES, MOST_PROPOSALS = 0.5, 30, 10
_NEWS_WEIGHT, _VOLUME_WEIGHT, _LIQUIDITY_WEIGHT = 0.5, 0.3, 0.2


@dataclass(frozen=True, slots=True)
class Named:
    """A security that is not watched, and how many stories of the last days name it."""

    ticker: str
    stories: int


@dataclass(frozen=True, slots=True)
class Traded:
    """One session of a security: USD traded, and the share of its minutes with a trade."""

    dollar_volume: float
    traded_share: float


@dataclass(frozen=True, slots=True)
class TickerProposal:
    """`score` from 0 to 1; `reasons` are sentences for the person who decides."""

    ticker: str
    score: float
    reasons: tuple[str, ...]


def traded(bars: Sequence[Bar], minutes: int) -> Traded:
    """What the bars of one session say; one without a trade or a price counts for nothing.

    Args:
        bars: Of one security and one session, one a minute at most; none is zero.
        minutes: Length of the session, > 0.
    """
    sound = [bar for bar in bars if bar.volume > 0 and bar.close.is_finite() and bar.close > 0]
    dollars = math.fsum(float(bar.close) * bar.volume for bar in sound)
    return Traded(dollar_volume=dollars, traded_share=min(1.0, len(sound) / minutes))


def propose(named: Sequence[Named], sessions: dict[str, Traded]) -> list[TickerProposal]:
    """The best that pass every bound, the best first; ties by symbol.

    One that is missing in `sessions`, or did not trade, is not proposed.
    """
    judged = [
        _judged(one, sessions[one.ticker])
        for one in named
        if one.stories >= LEAST_STORIES and one.ticker in sessions
    ]
    fitting = [proposal for proposal in judged if proposal is not None]
    fitting.sort(key=lambda proposal: (-proposal.score, proposal.ticker))
    return fitting[:MOST_PROPOSALS]


def _judged(named: Named, session: Traded) -> TickerProposal | None:
    if session.dollar_volume < LEAST_DOLLAR_VOLUME or session.traded_share < LEAST_TRADED_SHARE:
        return None
    span = math.log(FULL_DOLLAR_VOLUME / LEAST_DOLLAR_VOLUME)
    volume = min(1.0, math.log(session.dollar_volume / LEAST_DOLLAR_VOLUME) / span)
    news = min(named.stories, STORIES_FOR_FULL_WEIGHT) / STORIES_FOR_FULL_WEIGHT
    score = _NEWS_WEIGHT * news + _VOLUME_WEIGHT * volume + _LIQUIDITY_WEIGHT * session.traded_share
    if score < LEAST_SCORE:
        return None
    return TickerProposal(
        named.ticker,
        round(score, 4),
        (
            f"{named.stories} stories in {STORY_DAYS} days",
            f"${session.dollar_volume / 1e6:,.1f} million traded in the last session",
            f"a trade in {session.traded_share:.0%} of its minutes",
        ),
    )
