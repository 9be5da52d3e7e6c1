"""How long each table keeps its rows: the one place that says so.

A table that is not named here keeps everything: accounts, parameters, recommendations,
orders, fills, executions, positions with their history and events, alerts, what operators
did, and the volatility index.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from ops_pipeline.domain.market import new_york_day, new_york_time

Table = Literal[
    "inbound_events_raw",
    "iv_surface",
    "lane_features",
    "lane_telemetry",
    "lane_telemetry_rejected",
    "option_bars",
    "pipeline_runs",
    "position_telemetry",
    "signal_evaluations",
]

# Days. Bars and surfaces serve ranks over a year of sessions; what a decision was made from
# stands in its recommendation; a feed serves an item for a week at most.
KEPT_DAYS: Mapping[Table, int] = MappingProxyType(
    {
        # With what the classifier made of them.
        "inbound_events_raw": 180,
        "lane_telemetry": 400,
        "lane_telemetry_rejected": 90,
        "lane_features": 90,
        "signal_evaluations": 30,
        "option_bars": 90,
        "iv_surface": 400,
        "position_telemetry": 180,
        # With their measured times.
        "pipeline_runs": 30,
    }
)


def oldest_kept(table: Table, tick: datetime) -> datetime:
    """The start of the New York day from which on a table's rows are kept; UTC."""
    return new_york_time(new_york_day(tick) - timedelta(days=KEPT_DAYS[table]), 0)
