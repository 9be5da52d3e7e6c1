"""How many watched tickers the database's disk holds, given each table's retention.

Bytes per row, indexes included, were measured over the generated session of `ops demo`; a
test measures the two tables that grow with the number of tickers.
"""

from dataclasses import dataclass

from ops_pipeline.domain.operations.retention import KEPT_DAYS, Table

SESSIONS_A_DAY = 252 / 365
BYTES = {
    "lane_telemetry": 195,
    "lane_features": 255,
    "signal_evaluations": 845,
    # Including its run_timings row.
    "pipeline_runs": 695,
    # Including its inbound_events_classified row.
    "inbound_events_raw": 2_360,
    "quote_samples": 230,
    "dispatch_recommendations": 6_270,
    "dispatcher_runs": 420,
}
# Bars are fetched from 04:00 to 16:10, features computed from the 50th minute on.
_BARS_A_SESSION = 730
_FEATURES_A_SESSION = 340
# Of the watchlist, however many tickers are watched.
_EVALUATIONS_A_SESSION = 30 * 390
# Of the watchlist and what is held beside it.
_QUOTES_A_SESSION = 40 * 406
_RUNS_A_DAY = 2 * 1440 + 290
_RUNS_A_SESSION = 2 * 406 + 4 * 391 + 4 * 400 + 3 * 79 + 8
# A busy day.
_NEWS_A_DAY = 400
_RECOMMENDATIONS_A_SESSION = 767
_DISPATCHES_A_SESSION = 2 * 390
# Rows that are never deleted fit for so many years.
YEARS = 5
# Deleted rows leave gaps until new rows fill them.
_SLACK = 1.3
# Less free storage sets off the alarm, so the disk counts as full.
RESERVE_GIB = 4
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class DiskCapacity:
    """What fills the disk, GiB, and how many tickers fit."""

    fixed_gib: float
    ticker_gib: float
    tickers: int


def room(storage_gib: int) -> DiskCapacity:
    """The capacity of a disk of that size; 0 tickers if the fixed part fills it."""
    ticker = _SLACK * (
        _kept("lane_telemetry", _BARS_A_SESSION * SESSIONS_A_DAY, BYTES["lane_telemetry"])
        + _kept("lane_features", _FEATURES_A_SESSION * SESSIONS_A_DAY, BYTES["lane_features"])
    )
    fixed = _SLACK * (_fixed() + _for_ever())
    left = storage_gib - RESERVE_GIB - fixed
    return DiskCapacity(fixed, ticker, max(0, int(left / ticker)))


def _kept(table: Table, rows_a_day: float, row_bytes: int) -> float:
    return KEPT_DAYS[table] * rows_a_day * row_bytes / _GIB


def _fixed() -> float:
    rows_a_day: dict[Table, float] = {
        "signal_evaluations": _EVALUATIONS_A_SESSION * SESSIONS_A_DAY,
        "pipeline_runs": _RUNS_A_DAY + _RUNS_A_SESSION * SESSIONS_A_DAY,
        "inbound_events_raw": _NEWS_A_DAY,
        "quote_samples": _QUOTES_A_SESSION * SESSIONS_A_DAY,
    }
    return sum(_kept(table, rows, BYTES[table]) for table, rows in rows_a_day.items())


def _for_ever() -> float:
    sessions = YEARS * 365 * SESSIONS_A_DAY
    rows = {
        "dispatch_recommendations": _RECOMMENDATIONS_A_SESSION,
        "dispatcher_runs": _DISPATCHES_A_SESSION,
    }
    return sum(sessions * count * BYTES[table] / _GIB for table, count in rows.items())
