"""Market facts for tests: only what a test names differs from a calm minute."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ops_pipeline.db import telemetry
from ops_pipeline.db.driver.connection import Database, Row
from ops_pipeline.db.features import insert
from ops_pipeline.db.parameters import Versioned, activate
from ops_pipeline.domain.features import Features
from ops_pipeline.domain.market import MINUTE, Bar
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.stages.operating.watching import watch_only

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


def in_force(db: Database, rules: Parameters | None = None) -> Versioned:
    """Put these parameters in force (the shipped ones when None given) and return them."""
    with db.transaction() as tx:
        version = activate(tx, rules or Parameters(), source="default", now=_CALM.ts)
        return Versioned(version, rules or Parameters())


def watch(db: Database, *tickers: str) -> None:
    """Watch these tickers and no other; one that is not known yet is added."""
    with db.transaction() as tx:
        watch_only(tx, tickers)


def rows(db: Database, sql: str, **values: object) -> list[Row]:
    """What a statement finds, in a unit of work of its own."""
    with db.transaction() as tx:
        return tx.rows(sql, **values)


def bars_of(
    ticker: str, start: datetime, closes: Iterable[str | float], volume: int = 100
) -> list[Bar]:
    """A bar a minute from `start` on that opened, stood and closed at its close."""
    prices = [Decimal(str(close)) for close in closes]
    return [
        Bar(ticker, start + place * MINUTE, price, price, price, price, volume)
        for place, price in enumerate(prices)
    ]


def store_bars(db: Database, bars: Iterable[Bar], *, now: datetime) -> None:
    """Store bars as telemetry does."""
    with db.transaction() as tx:
        telemetry.stage(tx, bars)
        telemetry.merge(tx, data_feed="iex", now=now)


def store_features(db: Database, *found: Features, version: int, now: datetime) -> None:
    """Store rows of features as the features stage does."""
    with db.transaction() as tx:
        insert(tx, found, parameter_version=version, now=now)
