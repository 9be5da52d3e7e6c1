"""Confidence in a direction from price, news and volume, with every factor kept."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from ops_pipeline.domain.features import Features
from ops_pipeline.domain.news.ticker_sentiment import Pressure
from ops_pipeline.domain.parameters import NewsRules, SignalRules
from ops_pipeline.domain.watchlist import clamp, nearness

Direction = Literal["bullish", "bearish"]


@dataclass(frozen=True, slots=True)
class Confidence:
    """From 0 to 1, and the arithmetic that led to it, as JSON."""

    value: float
    arithmetic: dict[str, Any]


def direction_of(features: Features, rules: SignalRules) -> Direction | None:
    """The direction of price; None when it points both ways or neither."""
    bullish = _points(features.distance_sma20, features.trend_state, rules)
    bearish = _points(-features.distance_sma20, -features.trend_state, rules)
    if bullish == bearish:
        return None
    return "bullish" if bullish else "bearish"


def trend_agrees(direction: Direction, features: Features) -> bool:
    return features.trend_state == _sign(direction)


def confidence_in(
    direction: Direction,
    features: Features,
    news: Pressure | None,
    rules: SignalRules,
    news_rules: NewsRules,
) -> Confidence:
    """The base of price and volatility, scaled by news, volume and break-out."""
    terms = _terms(direction, features, rules)
    base = math.fsum(term["value"] * term["weight"] for term in terms.values())
    broke_out = _broke_out(direction, features, rules)
    factors = {
        "sentiment": _sentiment_factor(direction, news, rules, news_rules),
        "volume": _volume_factor(features.volume_ratio, rules),
        "breakout": _breakout_factor(broke_out, features.volume_ratio, rules),
    }
    unclamped = base
    for factor in factors.values():
        unclamped *= factor
    return Confidence(
        value=clamp(unclamped),
        arithmetic={
            "base": {"value": base, "terms": terms},
            "factors": factors,
            "broke_out": broke_out,
            "unclamped": unclamped,
        },
    )


def _sign(direction: Direction) -> int:
    return 1 if direction == "bullish" else -1


def _points(distance: float, trend_state: int, rules: SignalRules) -> bool:
    """Whether price is bullish; with both signs reversed, bearish."""
    near_or_above = distance >= -rules.near_sma_fraction
    return near_or_above and trend_state >= 0 and abs(distance) <= rules.furthest_from_sma


def _terms(
    direction: Direction, features: Features, rules: SignalRules
) -> dict[str, dict[str, float]]:
    agreement = 1.0 if trend_agrees(direction, features) else rules.flat_trend
    return {
        "trend": {"value": agreement, "weight": rules.trend_weight},
        "setup": {
            "value": nearness(features.distance_sma20, rules.setup_distance),
            "weight": rules.setup_weight,
        },
        "volatility": {
            "value": _volatility_appropriate(features.vol_ratio, rules),
            "weight": rules.volatility_weight,
        },
        "constant": {"value": 1.0, "weight": rules.constant_weight},
    }


def _volatility_appropriate(vol_ratio: float | None, rules: SignalRules) -> float:
    """1 within the band, falling to 0 at its outer ends; an unknown ratio adds nothing."""
    if vol_ratio is None:
        return 0.0
    rising = (vol_ratio - rules.least_volatility) / (rules.calm_volatility - rules.least_volatility)
    falling = (rules.most_volatility - vol_ratio) / (rules.most_volatility - rules.busy_volatility)
    return clamp(min(rising, falling))


def _sentiment_factor(
    direction: Direction, news: Pressure | None, rules: SignalRules, news_rules: NewsRules
) -> float:
    if news is None:
        return 1.0
    full = news_rules.stories_for_full_weight
    strength = clamp(abs(news.score)) * min(news.stories, full) / full
    aligned = news.score * _sign(direction) > 0
    furthest = rules.aligned_sentiment if aligned else rules.opposed_sentiment
    factor = 1 + (furthest - 1) * strength
    # One feed alone may warn; it takes several to make anybody bolder.
    return factor if news.stories >= news_rules.min_sources else min(1.0, factor)


def _volume_factor(volume_ratio: float | None, rules: SignalRules) -> float:
    if volume_ratio is None:
        return rules.unknown_volume_multiplier
    for step in rules.volume_steps:
        if volume_ratio < step.under:
            return step.multiplier
    return rules.most_volume_multiplier


def _broke_out(direction: Direction, features: Features, rules: SignalRules) -> bool:
    away = features.distance_sma20 * _sign(direction)
    return away > max(rules.breakout_fraction, rules.breakout_volatilities * features.recent_vol)


def _breakout_factor(broke_out: bool, volume_ratio: float | None, rules: SignalRules) -> float:
    if not broke_out:
        return rules.without_breakout
    volume = volume_ratio or 0.0
    if volume >= rules.strong_breakout_volume:
        return rules.strong_breakout_multiplier
    return rules.breakout_multiplier if volume >= rules.breakout_volume else 1.0
