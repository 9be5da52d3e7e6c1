"""Market facts for tests: only what a test names differs from a calm minute."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ops_pipeline.domain.features import Features

_CALM = Features(
    ticker="AAA",
    ts=datetime(2026, 2, 4, 15, 30, tzinfo=UTC),
    close=100.0,
    sma20=100.0,
    sma50=100.0,
    recent_vol=0.0005,
    baseline_vol=0.0005,
    vol_ratio=1.0,
    distance_sma20=0.0,
    distance_sma50=0.0,
    trend_state=0,
    volume_current=1000,
    volume_avg_20=1000.0,
    volume_ratio=1.0,
    volume_surge=False,
    return_5m=0.0,
    return_15m=0.0,
    bar_count=60,
)


def features(**changes: Any) -> Features:
    """A calm minute of a ticker at its average, with these fields changed."""
    return replace(_CALM, **changes)
