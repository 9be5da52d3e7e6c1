"""Parts of Vega-Lite specifications that several charts share.

Times are written as New York's wall clock without a zone, so that browsers in every time zone
show New York's time.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from ops_local.page.sources import PageData
from ops_pipeline.db.driver.connection import Row
from ops_pipeline.domain.market import NEW_YORK

Spec = dict[str, Any]

HEIGHT_PX = 260
# The height of a bar: enough to tap.
ROW_PX = 24

# Distinguishable on white and on near black, and with colour blindness.
GAIN, LOSS, NEITHER = "#1a8a5a", "#d1495b", "#8a8f98"
LEGEND = {"title": None, "legend": {"orient": "top"}}
CLOCK = {"type": "temporal", "format": "%H:%M"}

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_TIME_AXIS = {
    "format": "%H:%M",
    "title": None,
    "labelOverlap": "greedy",
    "labelSeparation": 12,
    "grid": False,
}


def wall(moment: datetime) -> str:
    """New York's wall clock, as 2026-02-04T09:31:00."""
    return moment.astimezone(NEW_YORK).strftime("%Y-%m-%dT%H:%M:%S")


def chart(rows: Sequence[Row] | None, **parts: Any) -> Spec:
    """A chart as wide as its element; without rows its layers have their own."""
    data = {} if rows is None else {"data": {"values": list(rows)}}
    return {
        "$schema": _SCHEMA,
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        **data,
        **parts,
    }


def table_data(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Spec:
    """Rows as CSV, a third of the size of JSON objects."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    parse = {"at": "date", "close": "number", "price": "number"}
    given = {name: kind for name, kind in parse.items() if name in names}
    return {"values": text.getvalue(), "format": {"type": "csv", "parse": given}}


def time_axis(facts: PageData, name: str = "at") -> Spec:
    """From the open to the close, if both are known."""
    axis: Spec = {"field": name, "type": "temporal", "axis": _TIME_AXIS}
    if facts.opens and facts.closes:
        axis["scale"] = {"domain": [_date_time(facts.opens), _date_time(facts.closes)]}
    return axis


def nearest(name: str) -> Spec:
    """A selection of the minute nearest to the pointer."""
    return {
        "name": name,
        "select": {
            "type": "point",
            "fields": ["at"],
            "nearest": True,
            "on": "pointerover",
            "clear": "pointerout",
        },
    }


def _date_time(moment: datetime) -> Spec:
    """An end of a time axis in Vega-Lite's form, on New York's wall clock."""
    local = moment.astimezone(NEW_YORK)
    return {
        "year": local.year,
        "month": local.month,
        "date": local.day,
        "hours": local.hour,
        "minutes": local.minute,
    }
