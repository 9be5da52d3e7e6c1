"""Windows of bars out of Postgres for numpy, and rows of lane_features."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import numpy as np

from ops_pipeline.db.connection import Row, Transaction
from ops_pipeline.domain.features import BarWindow, Features
from ops_pipeline.domain.market import Session


@dataclass(frozen=True, slots=True)
class StoredFeatures:
    """Features and when they were computed."""

    features: Features
    computed_at: datetime


# Each column of a ticker's window travels as one array in Postgres's binary form: numpy reads
# it as it lies there, where 120 rows a ticker would be parsed value by value. A ticker whose
# newest bar has its features already is left out.
_WINDOWS = """
SELECT watched.ticker, bars.starts, bars.closes, bars.volumes
FROM unnest(CAST(:tickers AS text[])) AS watched (ticker)
CROSS JOIN LATERAL (
    SELECT max(ts) AS newest, array_send(array_agg(ts)) AS starts,
        array_send(array_agg(close::double precision)) AS closes,
        array_send(array_agg(volume)) AS volumes
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
# What precedes the elements: dimensions, flags, element type, length, lower bound.
_ARRAY_HEADER_BYTES = 20
_INTEGERS = np.dtype([("bytes", ">i4"), ("value", ">i8")])
_DOUBLES = np.dtype([("bytes", ">i4"), ("value", ">f8")])
# Postgres counts microseconds since 2000-01-01 UTC.
_POSTGRES_EPOCH_S = 946_684_800
_MICROSECONDS = 1_000_000

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
    """Newest first in the database's answer, oldest first in the window.

    Raises:
        RuntimeError: the bars did not come in the order of the statement's subquery.
    """
    starts_us = _elements(row["starts"], _INTEGERS)[::-1]
    if (starts_us[1:] <= starts_us[:-1]).any():
        raise RuntimeError(f"the bars of {row['ticker']} came out of order")
    return BarWindow(
        ticker=row["ticker"],
        starts_s=(starts_us // _MICROSECONDS + _POSTGRES_EPOCH_S).astype(np.int64),
        closes=_elements(row["closes"], _DOUBLES)[::-1].astype(np.float64),
        volumes=_elements(row["volumes"], _INTEGERS)[::-1].astype(np.int64),
    )


def _elements(sent: bytes, form: np.dtype[np.void]) -> np.ndarray[tuple[int], np.dtype[Any]]:
    """The values of a one-dimensional array without NULLs, as array_send() wrote it."""
    return np.frombuffer(sent, dtype=form, offset=_ARRAY_HEADER_BYTES)["value"]
