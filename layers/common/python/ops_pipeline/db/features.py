"""Windows of bars out of Postgres for numpy, and rows of lane_features."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np

from ops_pipeline.db.connection import Row, Transaction
from ops_pipeline.domain.features import BarWindow, Features
from ops_pipeline.domain.market import Session


@dataclass(frozen=True, slots=True)
class StoredFeatures:
    """Features and when they were computed."""

    features: Features
    computed_at: datetime


# One bytea a column and ticker: numpy reads Postgres's own big-endian numbers as they are,
# where 120 rows a ticker would be parsed value by value. A ticker whose newest bar has its
# features already is left out.
_WINDOWS = """
SELECT watched.ticker, bars.starts_s, bars.closes, bars.volumes
FROM unnest(CAST(:tickers AS text[])) AS watched (ticker)
CROSS JOIN LATERAL (
    SELECT max(ts) AS newest,
        string_agg(int8send(extract(epoch FROM ts)::bigint), '' ORDER BY ts) AS starts_s,
        string_agg(float8send(close::double precision), '' ORDER BY ts) AS closes,
        string_agg(int8send(volume), '' ORDER BY ts) AS volumes
    FROM (
        SELECT ts, close, volume FROM lane_telemetry
        WHERE ticker = watched.ticker AND ts >= :opens_at AND ts < :until
        ORDER BY ts DESC LIMIT :most
    ) newest_bars
) bars
CROSS JOIN LATERAL (
    SELECT max(ts) AS newest FROM lane_features
    WHERE ticker = watched.ticker AND ts >= :opens_at AND ts < :until
) done
WHERE bars.newest > coalesce(done.newest, '-infinity')
"""

_NAMES = tuple(field.name for field in fields(Features))
_COLUMNS = ", ".join(_NAMES)

_INSERT = f"""
INSERT INTO lane_features ({_COLUMNS}, computed_at, parameter_version)
SELECT {_COLUMNS}, :now, :parameter_version
FROM json_populate_recordset(NULL::lane_features, CAST(:rows AS json))
ON CONFLICT (ticker, ts) DO NOTHING
"""

_LATEST = f"""
SELECT newest.*
FROM unnest(CAST(:tickers AS text[])) AS watched (ticker)
CROSS JOIN LATERAL (
    SELECT {_COLUMNS}, computed_at FROM lane_features
    WHERE ticker = watched.ticker AND ts >= :since AND ts < :until
    ORDER BY ts DESC LIMIT 1
) newest
"""


def windows_due(
    tx: Transaction, tickers: Sequence[str], session: Session, *, tick: datetime, most_bars: int
) -> list[BarWindow]:
    """The session's newest bars before `tick`, for each ticker whose features are behind them."""
    rows = tx.rows(
        _WINDOWS,
        tickers=list(tickers),
        opens_at=session.opens_at,
        until=min(tick, session.closes_at),
        most=most_bars,
    )
    return [_window(row) for row in rows]


def insert(
    tx: Transaction, rows: Iterable[Features], *, parameter_version: int, now: datetime
) -> int:
    """Store new rows; returns how many there were."""
    # asdict() would copy every value deeply: half of this stage's time.
    plain = [{name: getattr(features, name) for name in _NAMES} for features in rows]
    text = json.dumps(plain, default=datetime.isoformat)
    return tx.execute(_INSERT, rows=text, parameter_version=parameter_version, now=now)


def latest(
    tx: Transaction, tickers: Sequence[str], *, since: datetime, until: datetime
) -> dict[str, StoredFeatures]:
    """Each ticker's newest features with since <= ts < until; a ticker without is left out."""
    found = {}
    for row in tx.rows(_LATEST, tickers=list(tickers), since=since, until=until):
        computed_at = row.pop("computed_at")
        found[row["ticker"]] = StoredFeatures(Features(**row), computed_at)
    return found


def _window(row: Row) -> BarWindow:
    return BarWindow(
        ticker=row["ticker"],
        starts_s=np.frombuffer(row["starts_s"], dtype=">i8").astype(np.int64),
        closes=np.frombuffer(row["closes"], dtype=">f8").astype(np.float64),
        volumes=np.frombuffer(row["volumes"], dtype=">i8").astype(np.int64),
    )
