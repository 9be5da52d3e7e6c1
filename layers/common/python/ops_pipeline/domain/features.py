"""The features of one ticker at one minute: the definition of every column of lane_features."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isnan
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ops_pipeline.domain.parameters import FeatureRules

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

_MINUTE_S = 60
# No setting makes an sma50 of fewer closes.
_LONGEST_MEAN = 50
# No time and no volume before these is looked at: volume_avg_20, return_15m.
RECENT_BARS = 20


@dataclass(frozen=True, slots=True)
class BarWindows:
    """The newest bars of T tickers in one regular session, N of each, oldest first.

    Attributes:
        tickers: T names.
        starts_s: T x R: start of each minute, whole seconds since 1970 UTC, strictly ascending.
            R is at least the lesser of N and RECENT_BARS: the newest ones.
        closes: T x N: USD, > 0.
        volumes: T x R, of the bars of `starts_s`: shares, >= 0.
    """

    tickers: Sequence[str]
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


def compute(windows: BarWindows, rules: FeatureRules) -> list[Features]:
    """The features at each ticker's newest bar, in the order given; none under the minimum of bars.

    The tickers are computed side by side: numpy's calls cost more than its sums.
    """
    closes = windows.closes[:, -rules.window_bars :]
    count = closes.shape[1]
    if count < max(rules.minimum_bars, _LONGEST_MEAN):
        return []
    starts_s = windows.starts_s[:, -RECENT_BARS:]
    volumes = windows.volumes[:, -RECENT_BARS:]
    columns: list[Floats | Integers] = [  # in the order of _Figures
        starts_s[:, -1],
        volumes[:, -1],
        closes[:, -1],
        _means(closes, 20),
        _means(closes, _LONGEST_MEAN),
        _volatilities(closes[:, -30:]),
        _volatilities(closes),
        _means(volumes, RECENT_BARS),
        _returns_over(5, starts_s, closes),
        _returns_over(15, starts_s, closes),
    ]
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        _features(ticker, count, _Figures(*row), rules)
        for ticker, row in zip(windows.tickers, rows, strict=True)
    ]


class _Figures(NamedTuple):
    """What numpy computes for a window; NaN for a return over a gap."""

    starts_s: int
    volume: int
    close: float
    sma20: float
    sma50: float
    recent_vol: float
    baseline_vol: float
    volume_avg_20: float
    return_5m: float
    return_15m: float


def _features(ticker: str, count: int, of: _Figures, rules: FeatureRules) -> Features:
    volume_ratio = _ratio(of.volume, of.volume_avg_20)
    return Features(
        ticker=ticker,
        ts=datetime.fromtimestamp(of.starts_s, UTC),
        close=of.close,
        sma20=of.sma20,
        sma50=of.sma50,
        recent_vol=of.recent_vol,
        baseline_vol=of.baseline_vol,
        vol_ratio=_ratio(of.recent_vol, of.baseline_vol),
        distance_sma20=(of.close - of.sma20) / of.sma20,
        distance_sma50=(of.close - of.sma50) / of.sma50,
        trend_state=_sign_beyond((of.sma20 - of.sma50) / of.sma50, rules.trend_band),
        volume_current=of.volume,
        volume_avg_20=of.volume_avg_20,
        volume_ratio=volume_ratio,
        volume_surge=None if volume_ratio is None else volume_ratio > rules.surge_ratio,
        return_5m=None if isnan(of.return_5m) else of.return_5m,
        return_15m=None if isnan(of.return_15m) else of.return_15m,
        bar_count=count,
    )


def _means(rows: Floats | Integers, last: int) -> Floats:
    return np.asarray(rows[:, -last:].sum(axis=1) / last, dtype=np.float64)


def _volatilities(closes: Floats) -> Floats:
    """Sample standard deviations (n - 1) of the simple returns between these closes."""
    returns = closes[:, 1:] / closes[:, :-1] - 1
    number = returns.shape[1]
    deviations = returns - returns.sum(axis=1, keepdims=True) / number
    deviations *= deviations
    return np.asarray(np.sqrt(deviations.sum(axis=1) / (number - 1)), dtype=np.float64)


def _ratio(value: float, base: float) -> float | None:
    return value / base if base else None


def _sign_beyond(value: float, band: float) -> int:
    return 0 if abs(value) <= band else 1 if value > 0 else -1


def _returns_over(minutes: int, starts_s: Integers, closes: Floats) -> Floats:
    """The newest close against that of the bar exactly so many minutes before; NaN over a gap.

    Each minute has one bar at most, so that bar is one of the last `minutes` + 1.
    """
    recent = slice(-minutes - 1, None)
    is_it = starts_s[:, recent] == starts_s[:, -1:] - minutes * _MINUTE_S
    before = np.where(is_it, closes[:, recent], 0.0).sum(axis=1)
    there = is_it.any(axis=1)
    return np.where(there, closes[:, -1] / np.where(there, before, 1.0) - 1, np.nan)
