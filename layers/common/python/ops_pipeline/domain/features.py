"""The features of one ticker at one minute: the definition of every column of lane_features."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ops_pipeline.domain.parameters import FeatureRules

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

_MINUTE_S = 60
# No setting makes an sma50 of fewer closes.
_LONGEST_MEAN = 50


@dataclass(frozen=True, slots=True)
class BarWindow:
    """The newest bars of one ticker in one regular session, oldest first.

    Attributes:
        starts_s: Start of each minute, whole seconds since 1970 UTC, strictly ascending.
        closes: USD, > 0.
        volumes: Shares, >= 0.
    """

    ticker: str
    starts_s: Integers
    closes: Floats
    volumes: Integers


@dataclass(frozen=True, slots=True)
class Features:
    """One row of lane_features; ratios, distances and returns are fractions.

    None means not known: a ratio to zero, or a return over a gap.
    """

    ticker: str
    ts: datetime
    close: float
    sma20: float
    sma50: float
    recent_vol: float
    baseline_vol: float
    vol_ratio: float | None
    distance_sma20: float
    distance_sma50: float
    trend_state: int
    volume_current: int
    volume_avg_20: float
    volume_ratio: float | None
    volume_surge: bool | None
    return_5m: float | None
    return_15m: float | None
    bar_count: int


def compute(window: BarWindow, rules: FeatureRules) -> Features | None:
    """The features at the window's newest bar; None under the minimum of bars."""
    starts_s = window.starts_s[-rules.window_bars :]
    closes = window.closes[-rules.window_bars :]
    volumes = window.volumes[-rules.window_bars :]
    count = len(closes)
    if count < max(rules.minimum_bars, _LONGEST_MEAN):
        return None
    close, sma20, sma50 = float(closes[-1]), _mean(closes[-20:]), _mean(closes[-_LONGEST_MEAN:])
    recent_vol, baseline_vol = _volatility(closes[-30:]), _volatility(closes)
    volume_avg_20 = _mean(volumes[-20:])
    volume_ratio = _ratio(float(volumes[-1]), volume_avg_20)
    return Features(
        ticker=window.ticker,
        ts=datetime.fromtimestamp(int(starts_s[-1]), UTC),
        close=close,
        sma20=sma20,
        sma50=sma50,
        recent_vol=recent_vol,
        baseline_vol=baseline_vol,
        vol_ratio=_ratio(recent_vol, baseline_vol),
        distance_sma20=(close - sma20) / sma20,
        distance_sma50=(close - sma50) / sma50,
        trend_state=_sign_beyond((sma20 - sma50) / sma50, rules.trend_band),
        volume_current=int(volumes[-1]),
        volume_avg_20=volume_avg_20,
        volume_ratio=volume_ratio,
        volume_surge=None if volume_ratio is None else volume_ratio > rules.surge_ratio,
        return_5m=_return_over(5, starts_s, closes),
        return_15m=_return_over(15, starts_s, closes),
        bar_count=count,
    )


def _mean(values: Floats | Integers) -> float:
    return float(values.sum()) / len(values)


def _volatility(closes: Floats) -> float:
    """Sample standard deviation (n - 1) of the simple returns between these closes."""
    returns = closes[1:] / closes[:-1] - 1
    deviations = returns - returns.sum() / len(returns)
    return float(np.sqrt((deviations * deviations).sum() / (len(returns) - 1)))


def _ratio(value: float, base: float) -> float | None:
    return value / base if base else None


def _sign_beyond(value: float, band: float) -> int:
    return 0 if abs(value) <= band else 1 if value > 0 else -1


def _return_over(minutes: int, starts_s: Integers, closes: Floats) -> float | None:
    """The newest close against that of the bar exactly so many minutes before."""
    wanted_s = int(starts_s[-1]) - minutes * _MINUTE_S
    place = int(np.searchsorted(starts_s, wanted_s))
    if int(starts_s[place]) != wanted_s:
        return None
    return float(closes[-1] / closes[place]) - 1
