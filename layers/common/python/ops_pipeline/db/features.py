"""Reads windows of bars into numpy, and reads and writes lane_features."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

import numpy as np

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.features import RECENT_BARS, BarWindows, Features
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.prices.bar_slices import LONGEST


@dataclass(frozen=True, slots=True)
class StoredFeatures:
    """Features and when they were computed."""

    features: Features
    computed_at: datetime


# Each column of a ticker's window is sent as one array in Postgres's binary form, which numpy
# reads directly, instead of 120 rows per ticker that are parsed value by value. Of times and
# volumes only the ones that are used are sent. A ticker whose newest bar already has its
# features is left out. The newest minutes of a day are fetched first: what lies before minutes
# that were not fetched yet is left out too, since they are no minutes without a trade.
_WINDOWS = """
SELECT watched.ticker, bars.starts, bars.closes, bars.volumes
FROM unnest(CAST(:tickers AS text[])) AS watched (ticker)
CROSS JOIN LATERAL (
    SELECT coalesce(max(upper(missing.minutes)), :opens_at) AS since
    FROM telemetry_asked AS asked
    CROSS JOIN LATERAL unnest(
        tstzmultirange(tstzrange(CAST(:opens_at AS timestamptz), CAST(:over AS timestamptz)))
        - asked.minutes
    ) AS missing (minutes)
    WHERE asked.ticker = watched.ticker AND asked.day = :day
) known
CROSS JOIN LATERAL (
    SELECT max(ts) AS newest,
        array_send(trim_array(
            array_agg(ts ORDER BY ts DESC), greatest(count(*) - :recent, 0)::integer
        )) AS starts,
        array_send(array_agg(close::double precision ORDER BY ts DESC)) AS closes,
        array_send(trim_array(
            array_agg(volume ORDER BY ts DESC), greatest(count(*) - :recent, 0)::integer
        )) AS volumes
    FROM (
        SELECT ts, close, volume FROM lane_telemetry
        WHERE ticker = watched.ticker AND ts >= known.since AND ts < :until
        ORDER BY ts DESC LIMIT :most
    ) newest_bars
) bars
CROSS JOIN LATERAL (
    SELECT max(ts) AS newest FROM lane_features
    WHERE ticker = watched.ticker AND ts >= :opens_at AND ts < :until
) done
WHERE bars.newest > coalesce(done.newest, '-infinity')
"""
# The header before the elements: dimensions, flags, element type, length, lower bound.
_ARRAY_HEADER_BYTES = 20
_INTEGERS = np.dtype([("bytes", ">i4"), ("value", ">i8")])
_DOUBLES = np.dtype([("bytes", ">i4"), ("value", ">f8")])
# Postgres counts microseconds since 2000-01-01 UTC.
_POSTGRES_EPOCH_S = 946_684_800
_MICROSECONDS = 1_000_000

_NAMES = tuple(field.name for field in fields(Features))
_COLUMNS = ", ".join(_NAMES)
_TYPES = {
    "ticker": "text",
    "ts": "timestamptz",
    "trend_state": "smallint",
    "volume_current": "bigint",
    "volume_surge": "boolean",
    "bar_count": "integer",
}
_ARRAYS = ", ".join(f"CAST(:{name} AS {_TYPES.get(name, 'double precision')}[])" for name in _NAMES)

# One array per column: JSON would repeat the column names in every row.
_INSERT = f"""
INSERT INTO lane_features ({_COLUMNS}, computed_at, parameter_version)
SELECT {_COLUMNS}, :now, :parameter_version FROM unnest({_ARRAYS}) AS computed ({_COLUMNS})
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
) -> list[BarWindows]:
    """The session's newest bars before `tick`, for each ticker whose features are behind.

    None from before minutes that are half an hour old and were not fetched yet. Tickers with the
    same number of bars share one BarWindows.
    """
    until = min(tick, session.closes_at)
    rows = tx.rows(
        _WINDOWS,
        tickers=list(tickers),
        day=session.day,
        opens_at=session.opens_at,
        over=max(session.opens_at, until - LONGEST),
        until=until,
        most=most_bars,
        recent=RECENT_BARS,
    )
    by_count = defaultdict(list)
    for row in rows:
        by_count[len(row["closes"])].append(row)
    return [_windows(some) for some in by_count.values()]


def insert(
    tx: Transaction, rows: Iterable[Features], *, parameter_version: int, now: datetime
) -> int:
    """Store new rows and return their number."""
    columns = zip(*map(attrgetter(*_NAMES), rows), strict=True)
    arrays = {name: list(values) for name, values in zip(_NAMES, columns, strict=False)}
    if not arrays:
        return 0
    return tx.execute(_INSERT, **arrays, parameter_version=parameter_version, now=now)


def latest(
    tx: Transaction, tickers: Sequence[str], *, since: datetime, until: datetime
) -> dict[str, StoredFeatures]:
    """Each ticker's newest features with since <= ts < until; a ticker without any is left out."""
    found = {}
    for row in tx.rows(_LATEST, tickers=list(tickers), since=since, until=until):
        computed_at = row.pop("computed_at")
        found[row["ticker"]] = StoredFeatures(Features(**row), computed_at)
    return found


def _windows(rows: Sequence[Row]) -> BarWindows:
    """Bars come newest first from the database and go oldest first into the windows."""
    starts_us = _elements(rows, "starts", _INTEGERS)
    return BarWindows(
        tickers=[row["ticker"] for row in rows],
        starts_s=(starts_us // _MICROSECONDS + _POSTGRES_EPOCH_S).astype(np.int64),
        closes=_elements(rows, "closes", _DOUBLES).astype(np.float64),
        volumes=_elements(rows, "volumes", _INTEGERS).astype(np.int64),
    )


def _elements(
    rows: Sequence[Row], column: str, element: np.dtype[np.void]
) -> np.ndarray[tuple[int, int], np.dtype[Any]]:
    """Decode arrays written by array_send(), without NULLs and all of one length.

    Returns one row per array, its elements in reverse order.
    """
    sent = [row[column] for row in rows]
    count = (len(sent[0]) - _ARRAY_HEADER_BYTES) // element.itemsize
    form = np.dtype([("header", f"V{_ARRAY_HEADER_BYTES}"), ("elements", element, (count,))])
    found = np.frombuffer(b"".join(sent), dtype=form)["elements"]["value"]
    return found[:, ::-1]
