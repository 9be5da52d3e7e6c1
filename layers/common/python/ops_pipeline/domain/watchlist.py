"""Scores tickers and decides which enter and which stay on the watchlist."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ops_pipeline.domain.features import Features
from ops_pipeline.domain.news.ticker_sentiment import Pressure
from ops_pipeline.domain.parameters import NewsRules, WatchlistRules


@dataclass(frozen=True, slots=True)
class WatchScore:
    """The score of one ticker with all of its terms, each from 0 to 1.

    Attributes:
        pressure: None without stories of enough sources in the window: the term drops out.
        volatility: None when vol_ratio is unknown: the term adds nothing.
        arithmetic: What went in, as JSON.
    """

    ticker: str
    features_ts: datetime
    score: float
    pressure: float | None
    setup: float
    volatility: float | None
    alignment: float
    arithmetic: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WatchEntry:
    """A ticker's place; `scored` and `rank` are None if it has none, and `unscored` says why."""

    ticker: str
    scored: WatchScore | None
    rank: int | None
    entered_at: datetime | None
    unscored: str = "no fresh features"

    @property
    def in_watchlist(self) -> bool:
        return self.entered_at is not None


def score(
    features: Features, news: Pressure | None, rules: WatchlistRules, news_rules: NewsRules
) -> WatchScore:
    """Score one ticker; without a story the pressure term drops out and the rest is rescaled.

    Fewer sources than `min_sources` are as none: one feed neither brings a ticker onto the
    list nor pushes it off.
    """
    enough = news if news and news.stories >= news_rules.min_sources else None
    pressure = _pressure(enough, rules, news_rules) if enough else None
    setup = nearness(features.distance_sma20, rules.setup_distance)
    volatility = _volatility(features.vol_ratio, rules)
    alignment = _alignment(features.trend_state, enough, rules)
    terms = {
        "setup": (setup, rules.setup_weight),
        "volatility": (volatility, rules.volatility_weight),
        "alignment": (alignment, rules.alignment_weight),
    }
    if enough:
        terms["pressure"] = (pressure, rules.pressure_weight)
    whole = math.fsum(weight for _, weight in terms.values())
    return WatchScore(
        ticker=features.ticker,
        features_ts=features.ts,
        score=clamp(math.fsum((value or 0.0) * weight for value, weight in terms.values()) / whole),
        pressure=pressure,
        setup=setup,
        volatility=volatility,
        alignment=alignment,
        arithmetic={
            "terms": {
                name: {"value": value, "weight": weight / whole}
                for name, (value, weight) in terms.items()
            },
            "from": _inputs(features, news),
        },
    )


def select(
    tickers: Iterable[str],
    scores: Mapping[str, WatchScore],
    members: Mapping[str, datetime],
    tick: datetime,
    rules: WatchlistRules,
) -> list[WatchEntry]:
    """Rank every ticker: best score first, ties by name, unscored ones last.

    The list holds the best of those who may be on it: newcomers from `enter_score`,
    members (ticker -> since when) from `leave_score`. A ticker without a score
    leaves and has to qualify again.
    """
    ranked = sorted(scores.values(), key=lambda scored: (-scored.score, scored.ticker))
    eligible = [
        scored.ticker
        for scored in ranked
        if scored.score >= (rules.leave_score if scored.ticker in members else rules.enter_score)
    ]
    listed = frozenset(eligible[: rules.size])
    placed = [
        WatchEntry(
            ticker=scored.ticker,
            scored=scored,
            rank=rank,
            entered_at=members.get(scored.ticker, tick) if scored.ticker in listed else None,
        )
        for rank, scored in enumerate(ranked, start=1)
    ]
    unscored = sorted(frozenset(tickers) - scores.keys())
    return placed + [WatchEntry(ticker, None, None, None) for ticker in unscored]


def clamp(value: float) -> float:
    return min(1.0, max(0.0, value))


def nearness(distance: float, furthest: float) -> float:
    """1 at the moving average, 0 from `furthest` away (a fraction of the price)."""
    return clamp(1 - abs(distance) / furthest)


def _pressure(news: Pressure, rules: WatchlistRules, news_rules: NewsRules) -> float:
    full = news_rules.stories_for_full_weight
    freshness = clamp(1 - news.newest_age_minutes / news_rules.newest_fades_after_minutes)
    return clamp(
        rules.sentiment_share * clamp(abs(news.score))
        + rules.stories_share * min(news.stories, full) / full
        + rules.newest_share * freshness
    )


def _volatility(vol_ratio: float | None, rules: WatchlistRules) -> float | None:
    if vol_ratio is None:
        return None
    return clamp((vol_ratio - rules.least_volatility) / rules.volatility_span)


def _alignment(trend_state: int, news: Pressure | None, rules: WatchlistRules) -> float:
    """1 if trend and news agree, 0 if they disagree, 0.5 if either is neutral or unknown."""
    if news is None or trend_state == 0 or abs(news.score) <= rules.neutral_sentiment:
        return 0.5
    return 1.0 if (news.score > 0) == (trend_state > 0) else 0.0


def _inputs(features: Features, news: Pressure | None) -> dict[str, Any]:
    return {
        "distance_sma20": features.distance_sma20,
        "vol_ratio": features.vol_ratio,
        "trend_state": features.trend_state,
        "sentiment": news.score if news else None,
        "stories": news.stories if news else 0,
        "sources": list(news.sources) if news else [],
        "newest_age_minutes": news.newest_age_minutes if news else None,
    }
