"""The bounds that fit a test run: the same code as `make bench`, on less."""

import statistics

import pytest

from ops_local.database import DatabaseUrls
from tests.benchmarks import bench_bars, bench_engine, bench_features

# Seconds say something only where nobody else is at work.
pytestmark = pytest.mark.slow


def test_the_engine_takes_50_ms_a_tick_at_most() -> None:
    took_ms = bench_engine.ticks_ms("trading_cycle", rounds=30)
    assert statistics.median(took_ms) <= bench_engine.BOUND_MS


def test_features_of_33_tickers_take_a_few_milliseconds_and_little_memory(
    database_urls: DatabaseUrls,
) -> None:
    found = bench_features.measured(database_urls, bench_features.FEW)
    # The 10 ms are for a quiet machine; here others may be at work beside us.
    assert min(found["took_s"]) * 1000 <= 5 * bench_features.BOUND_FEW_MS
    assert found["highest_mb"] < bench_features.BOUND_MB


def test_bars_reach_postgres_within_twice_the_time_of_a_bare_copy_and_upsert() -> None:
    alone, ours = bench_bars.measure(tickers=100, minutes=100, rounds=3)
    assert min(ours) <= bench_bars.BOUND * min(alone)
