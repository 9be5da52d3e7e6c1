"""How long each table keeps its rows. Nothing else defines it.

A table that is not named here keeps everything: accounts, parameters, recommendations,
orders, fills, executions, positions with their history and events, alerts, operator
actions, and the volatility index.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from ops_pipeline.domain.market import new_york_day, new_york_time

Table = Literal[
    "broker_comparisons",
    "inbound_events_raw",
    "iv_surface",
    "lane_features",
    "lane_telemetry",
    "lane_telemetry_rejected",
    "option_bars",
    "pipeline_runs",
    "position_telemetry",
    "quote_samples",
    "signal_evaluations",
    "trading_halts",
    "unbooked_facts",
]

# Days. Bars and surfaces are ranked over a year of sessions; a recommendation stores the inputs
# of its decision; a feed serves an item for a week at most.
KEPT_DAYS: Mapping[Table, int] = MappingProxyType(
    {
        # Together with inbound_events_classified.
        "inbound_events_raw": 180,
        "lane_telemetry": 400,
        "lane_telemetry_rejected": 90,
        "lane_features": 90,
        "signal_evaluations": 30,
        "option_bars": 90,
        "iv_surface": 400,
        "position_telemetry": 180,
        # Together with quote_fetches.
        "quote_samples": 30,
        # Together with run_timings.
        "pipeline_runs": 30,
        # Resolved ones.
        "unbooked_facts": 400,
        "broker_comparisons": 90,
        # Those that have ended.
        "trading_halts": 180,
    }
)


def oldest_kept(table: Table, tick: datetime) -> datetime:
    """The start of the oldest New York day whose rows a table keeps; UTC."""
    return new_york_time(new_york_day(tick) - timedelta(days=KEPT_DAYS[table]), 0)
