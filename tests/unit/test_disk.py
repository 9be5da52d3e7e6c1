"""The disk lasts for as many tickers as its rows and their sizes say."""

from datetime import UTC, datetime, timedelta

from infra.deployment import Deployment
from infra.disk import BYTES, room
from ops_pipeline.db.driver.connection import Database
from tests.support.builders_market import bars_of, in_force, store_bars

MINUTES = 4_000
START = datetime(2026, 2, 4, 9, 0, tzinfo=UTC)

_FEATURES = """
INSERT INTO lane_features
SELECT ticker, ts, close, close * 1.01, close * 1.02, 0.000512, 0.000498, 1.028, -0.0099, -0.0196,
    1, volume, 1000.5, 1.02, false, 0.001, 0.002, 120, ts + interval '1 minute', 1
FROM lane_telemetry
"""


def test_the_default_disk_takes_the_watched_tickers_several_times_over() -> None:
    found = room(Deployment().storage_gib)

    assert 33 * 3 < found.tickers < 1_000
    assert found.fixed_gib + found.tickers * found.ticker_gib <= 20 - 4
    assert room(40).tickers > found.tickers
    assert room(4).tickers == 0


def test_a_row_of_what_grows_with_the_tickers_weighs_what_is_reckoned(
    db: Database, owner_db: Database
) -> None:
    in_force(db)
    closes = [f"{101 + number % 97}.{number % 89:02}" for number in range(MINUTES)]
    for ticker in ("AAPL", "SPY"):
        bars = bars_of(ticker, START, closes, volume=123_456)
        store_bars(db, bars, now=START + timedelta(minutes=MINUTES + 1))
    with db.transaction() as tx:
        tx.execute(_FEATURES)

    for table in ("lane_telemetry", "lane_features"):
        with owner_db.transaction() as tx:
            (row,) = tx.rows(f"SELECT pg_total_relation_size('{table}') AS bytes")
        each = row["bytes"] / (2 * MINUTES)
        assert 0.75 * BYTES[table] < each < 1.25 * BYTES[table], table
