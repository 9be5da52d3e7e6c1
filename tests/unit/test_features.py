"""The features against a second, plain computation, on made-up and on real minutes."""

import gzip
from datetime import UTC, datetime, timedelta
from math import isclose, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.features import BarWindows, Features, compute
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.domain.parameters import FeatureRules

RULES = FeatureRules()
START = datetime(2014, 6, 5, 13, 30, tzinfo=UTC)


class Minute(NamedTuple):
    ts: datetime
    close: float
    volume: int


def window_of(minutes: list[Minute], ticker: str = "AAA") -> BarWindows:
    return BarWindows(
        tickers=[ticker],
        starts_s=np.array([[int(each.ts.timestamp()) for each in minutes]], dtype=np.int64),
        closes=np.array([[each.close for each in minutes]], dtype=np.float64),
        volumes=np.array([[each.volume for each in minutes]], dtype=np.int64),
    )


def rising(count: int, *, step: float = 0.01, volume: int = 100) -> list[Minute]:
    return [
        Minute(START + timedelta(minutes=place), 100 + step * place, volume)
        for place in range(count)
    ]


def computed(minutes: list[Minute]) -> Features:
    (found,) = compute(window_of(minutes), RULES)
    return found


def deviation(closes: list[float]) -> float:
    """Sample standard deviation of simple returns, the textbook way."""
    returns = [closes[place] / closes[place - 1] - 1 for place in range(1, len(closes))]
    mean = sum(returns) / len(returns)
    return sqrt(sum((each - mean) ** 2 for each in returns) / (len(returns) - 1))


def by_hand(minutes: list[Minute]) -> dict[str, float | int | bool | None]:
    """Every column once more, with plain loops."""
    used = minutes[-120:]
    closes, volumes = [each.close for each in used], [each.volume for each in used]
    close, sma20, sma50 = closes[-1], sum(closes[-20:]) / 20, sum(closes[-50:]) / 50
    recent, baseline = deviation(closes[-30:]), deviation(closes)
    average = sum(volumes[-20:]) / 20
    ratio = volumes[-1] / average if average else None
    trend = (sma20 - sma50) / sma50
    at = {each.ts: each.close for each in used}
    before = {count: at.get(used[-1].ts - timedelta(minutes=count)) for count in (5, 15)}
    return {
        "close": close,
        "sma20": sma20,
        "sma50": sma50,
        "recent_vol": recent,
        "baseline_vol": baseline,
        "vol_ratio": recent / baseline if baseline else None,
        "distance_sma20": (close - sma20) / sma20,
        "distance_sma50": (close - sma50) / sma50,
        "trend_state": 1 if trend > 0.0005 else -1 if trend < -0.0005 else 0,
        "volume_current": volumes[-1],
        "volume_avg_20": average,
        "volume_ratio": ratio,
        "volume_surge": None if ratio is None else ratio > 2.0,
        "return_5m": close / before[5] - 1 if before[5] else None,
        "return_15m": close / before[15] - 1 if before[15] else None,
        "bar_count": len(used),
    }


def assert_same(found: Features, expected: dict[str, float | int | bool | None]) -> None:
    for name, value in expected.items():
        actual = getattr(found, name)
        if isinstance(value, float):
            assert isclose(actual, value, rel_tol=1e-9, abs_tol=1e-12), (found.ts, name)
        else:
            assert actual == value, (found.ts, name)


def test_forty_nine_bars_are_too_few_and_fifty_are_enough() -> None:
    assert compute(window_of(rising(49)), RULES) == []
    assert computed(rising(50)).bar_count == 50


def test_no_setting_makes_a_mean_of_fifty_closes_from_fewer() -> None:
    assert compute(window_of(rising(49)), FeatureRules(minimum_bars=5)) == []


def test_only_the_last_hundred_and_twenty_bars_count() -> None:
    wild = [each._replace(close=each.close * 3) for each in rising(40)]
    later = [each._replace(ts=each.ts + timedelta(hours=1)) for each in rising(120)]
    assert computed(wild + later) == computed(later)


def test_prices_that_never_move_leave_the_volatility_ratio_unknown() -> None:
    still = computed(rising(60, step=0))
    assert (still.baseline_vol, still.vol_ratio, still.trend_state) == (0, None, 0)


def test_minutes_without_volume_leave_the_volume_ratio_and_the_surge_unknown() -> None:
    mute = computed(rising(60, volume=0))
    assert (mute.volume_avg_20, mute.volume_ratio, mute.volume_surge) == (0, None, None)


def test_the_newest_volume_is_part_of_its_own_mean() -> None:
    minutes = rising(60)
    minutes[-1] = minutes[-1]._replace(volume=2100)
    surge = computed(minutes)
    assert (surge.volume_avg_20, surge.volume_ratio, surge.volume_surge) == (200, 10.5, True)


def test_a_volume_of_exactly_twice_the_mean_is_no_surge() -> None:
    minutes = [each._replace(volume=0) for each in rising(60)]
    minutes[-2] = minutes[-2]._replace(volume=90)
    minutes[-3] = minutes[-3]._replace(volume=810)
    minutes[-1] = minutes[-1]._replace(volume=100)
    assert (computed(minutes).volume_ratio, computed(minutes).volume_surge) == (2.0, False)


@pytest.mark.parametrize("minutes_before", [5, 15])
def test_a_return_over_a_gap_is_unknown_and_the_other_one_is_not(minutes_before: int) -> None:
    minutes = rising(60)
    del minutes[-1 - minutes_before]
    found = computed(minutes)
    assert (found.return_5m is None) == (minutes_before == 5)
    assert (found.return_15m is None) == (minutes_before == 15)


@given(
    st.lists(
        st.tuples(st.floats(1, 1000), st.integers(0, 10_000_000), st.integers(1, 4)),
        min_size=50,
        max_size=130,
    )
)
def test_features_agree_with_a_plain_computation_on_any_minutes(
    steps: list[tuple[float, int, int]],
) -> None:
    at, minutes = START, []
    for close, volume, gap in steps:
        at += timedelta(minutes=gap)
        minutes.append(Minute(at, close, volume))
    assert_same(computed(minutes), by_hand(minutes))


def real_minutes(folder: Path) -> dict[str, list[Minute]]:
    """The regular session's minutes of each ticker of a recorded day."""
    found: dict[str, list[Minute]] = {}
    with gzip.open(folder / "bars.csv.gz", "rt") as lines:
        next(lines)
        for line in lines:
            ticker, ts, _, _, _, close, volume = line.strip().split(",")
            minute = Minute(datetime.fromisoformat(ts), float(close), int(volume))
            day = new_york_day(minute.ts)
            if new_york_time(day, 9, 30) <= minute.ts < new_york_time(day, 16):
                found.setdefault(ticker, []).append(minute)
    return found


@pytest.mark.parametrize("day", ["2013-10-07", "2013-10-10", "2014-06-05", "2014-06-09"])
def test_features_agree_with_a_plain_computation_on_every_minute_of_a_real_day(
    shared_data: Path, day: str
) -> None:
    checked = 0
    for ticker, minutes in real_minutes(shared_data / day).items():
        for end in range(50, len(minutes) + 1):
            so_far = minutes[max(0, end - 120) : end]
            (found,) = compute(window_of(so_far, ticker), RULES)
            assert_same(found, by_hand(so_far))
            checked += 1
    assert checked > 300
