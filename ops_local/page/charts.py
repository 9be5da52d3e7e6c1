"""The charts as Vega-Lite specifications with their rows inside.

Times are written as New York's wall clock without a zone, so that every browser shows
New York's time and nobody's own.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from ops_local.figures import clock, dollars, gain, plain
from ops_local.page.sources import Facts
from ops_pipeline.db.connection import Row
from ops_pipeline.domain.market import NEW_YORK

Spec = dict[str, Any]

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
# Told apart on white and on near black, and by people who see few colours.
_GAIN, _LOSS, _OPEN = "#1a8a5a", "#d1495b", "#8a8f98"
# Shape, colour and size in square pixels of what happened at a price.
_MARKS: dict[str, tuple[str, str, int]] = {
    "signal": ("circle", "#7b83f0", 70),
    "bought": ("triangle-up", "#1a8a5a", 170),
    "sold": ("triangle-down", "#d1495b", 170),
    "headline": ("diamond", "#b8860b", 70),
}
_HEIGHT_PX = 260
# Room at the right for the figure behind a bar that ends with the session.
_FIGURE_PX = 54


def wall(moment: datetime) -> str:
    """New York's wall clock, as 2026-02-04T09:31:00."""
    return moment.astimezone(NEW_YORK).strftime("%Y-%m-%dT%H:%M:%S")


def specs(facts: Facts) -> dict[str, Spec]:
    """Every chart that has something to show, by the id of its place on the page."""
    charts: dict[str, Spec] = {}
    if facts.equity:
        charts["equity"] = equity(facts)
        charts["positions"] = positions(facts)
    if facts.prices:
        charts["prices"] = prices(facts)
    if facts.refusals:
        charts["refusals"] = refusals(facts)
    return charts


def equity(facts: Facts) -> Spec:
    """A line an account, from 0 at the open to the close."""
    accounts = sorted({point.account for point in facts.equity})
    rows = [
        {"at": wall(point.at), "account": point.account, "gain": float(point.gain)}
        for point in facts.equity
    ]
    last = {row["account"]: row["gain"] for row in rows}
    if facts.opens and facts.closes:
        at_open = [{"at": wall(facts.opens), "account": name, "gain": 0.0} for name in accounts]
        at_close = [
            {"at": wall(facts.closes), "account": name, "gain": last[name]} for name in accounts
        ]
        rows = [*at_open, *rows, *at_close]
    color = {"field": "account", "type": "nominal", "title": None, "legend": {"orient": "top"}}
    told = [{"field": "at", "type": "temporal", "format": "%H:%M", "title": "New York"}]
    told += [{"field": name, "type": "quantitative", "format": "+,.2f"} for name in accounts]
    return _chart(
        rows,
        height=_HEIGHT_PX,
        encoding={"x": _time_axis(facts)},
        layer=[
            {
                "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2},
                "encoding": {
                    "y": {"field": "gain", "type": "quantitative", "title": "gain, USD"},
                    "color": color,
                },
            },
            {
                "transform": [{"pivot": "account", "value": "gain", "groupby": ["at"]}],
                "mark": {"type": "rule", "strokeWidth": 1, "tooltip": True},
                "encoding": {
                    "opacity": {"condition": _shown("hover"), "value": 0},
                    "tooltip": told,
                },
                "params": [_nearest("hover")],
            },
        ],
    )


def positions(facts: Facts) -> Spec:
    """A bar a position from its entry to its exit, its profit behind it."""
    rows = [
        {
            # With its time, so that each position has a line of its own.
            "label": f"{clock(row['in'])} {row['symbol']} {row['account']}",
            "order": number,
            "in": wall(row["in"]),
            "out": wall(row["out"] or facts.closes or row["in"]),
            "result": _result(row),
            "gain": "open" if row["P&L"] is None else gain(row["P&L"]),
            "story": f"{plain(row['qty'])} at {dollars(row['bought'])}, {row['exit']}",
        }
        for number, row in enumerate(_part(facts, "Positions"))
    ]
    order = {"field": "order", "op": "min"}
    return _chart(
        rows,
        height={"step": 24},
        padding={"left": 5, "top": 5, "right": _FIGURE_PX, "bottom": 5},
        encoding={
            "y": {
                "field": "label",
                "type": "nominal",
                "sort": order,
                "title": None,
                "axis": {"labelLimit": 150},
            },
            "tooltip": [
                {"field": "label", "title": "position"},
                {"field": "in", "type": "temporal", "format": "%H:%M"},
                {"field": "out", "type": "temporal", "format": "%H:%M"},
                {"field": "gain", "title": "gain, USD"},
                {"field": "story", "title": "how"},
            ],
        },
        layer=[
            {
                "mark": {"type": "bar", "height": 12, "cornerRadius": 3},
                "encoding": {
                    "x": {**_time_axis(facts), "field": "in"},
                    "x2": {"field": "out"},
                    "color": {
                        "field": "result",
                        "title": None,
                        "legend": {"orient": "top"},
                        "scale": {
                            "domain": ["gain", "loss", "open"],
                            "range": [_GAIN, _LOSS, _OPEN],
                        },
                    },
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 5},
                "encoding": {
                    "x": {"field": "out", "type": "temporal"},
                    "text": {"field": "gain"},
                },
            },
        ],
    )


def prices(facts: Facts) -> Spec:
    """One ticker's closes, with its signals, fills and headlines; a list chooses the ticker."""
    chosen = {"filter": "datum.ticker === ticker"}
    y = {"type": "quantitative", "scale": {"zero": False}, "title": "USD"}
    kinds = list(_MARKS)
    marks = {
        "field": "what",
        "type": "nominal",
        "title": None,
        "legend": {"orient": "top", "columns": 4},
    }
    shapes = {"domain": kinds, "range": [_MARKS[kind][0] for kind in kinds]}
    colors = {"domain": kinds, "range": [_MARKS[kind][1] for kind in kinds]}
    sizes = {"domain": kinds, "range": [_MARKS[kind][2] for kind in kinds]}
    happened = _csv(("ticker", "at", "what", "price", "story"), price_marks(facts))
    closes = ((row["ticker"], wall(row["at"]), row["close"]) for row in facts.prices)
    return {
        **_chart(None, height=_HEIGHT_PX),
        "params": [
            {
                "name": "ticker",
                "value": _first_ticker(facts),
                "bind": {"input": "select", "options": facts.tickers, "name": "Ticker "},
            }
        ],
        "encoding": {"x": _time_axis(facts)},
        "layer": [
            {
                "data": _csv(("ticker", "at", "close"), closes),
                "transform": [chosen],
                "mark": {"type": "line", "strokeWidth": 1.2, "color": "#7a869a"},
                "encoding": {"y": {**y, "field": "close"}},
            },
            {
                "data": happened,
                "transform": [chosen],
                "mark": {"type": "point", "filled": True, "opacity": 0.95},
                "encoding": {
                    "y": {**y, "field": "price"},
                    "shape": {**marks, "scale": shapes},
                    "color": {**marks, "scale": colors},
                    "size": {**marks, "scale": sizes},
                    "tooltip": [
                        {"field": "at", "type": "temporal", "format": "%H:%M", "title": "New York"},
                        {"field": "what"},
                        {"field": "story", "title": " "},
                    ],
                },
            },
        ],
    }


def refusals(facts: Facts) -> Spec:
    """How often each gate refused, by account; one refusal may name several gates."""
    return _chart(
        facts.refusals,
        height={"step": 24},
        mark={"type": "bar", "cornerRadiusEnd": 3, "height": 14},
        encoding={
            "y": {"field": "gate", "type": "nominal", "sort": "-x", "title": None},
            "x": {
                "field": "refused",
                "type": "quantitative",
                "title": "recommendations refused",
                "axis": {"tickMinStep": 1, "tickCount": 6},
            },
            "color": {"field": "account", "title": None, "legend": {"orient": "top"}},
            "tooltip": [{"field": "gate"}, {"field": "account"}, {"field": "refused"}],
        },
    )


def price_marks(facts: Facts) -> list[tuple[str, str, str, str, str]]:
    """Ticker, time, what, price and story of all that is drawn on a price; fills last, on top."""
    shown = set(facts.tickers)
    found = [*_headline_marks(facts)]
    found += [
        (
            row["ticker"],
            wall(row["at"]),
            "signal",
            f"{row['price']:.4f}",
            f"{row['direction']} at confidence {row['confidence']:.2f}",
        )
        for row in facts.signals
    ]
    found += [
        (
            row["ticker"],
            wall(row["at"]),
            "bought" if row["side"] == "buy" else "sold",
            f"{row['price']:.4f}",
            f"{row['account']}: {plain(row['quantity'])} at {dollars(row['price'])} "
            f"({row['reason']})",
        )
        for row in facts.fills
    ]
    return [mark for mark in found if mark[0] in shown]


def _headline_marks(facts: Facts) -> Iterable[tuple[str, str, str, str, str]]:
    """At the close of the minute in which its feed showed it; before the open there is none."""
    closes = {(row["ticker"], clock(row["at"])): row["close"] for row in facts.prices}
    for row in facts.headlines:
        score = "no score" if row["score"] is None else f"{row['score']:+.2f}"
        for ticker in row["tickers"]:
            price = closes.get((ticker, clock(row["at"])))
            if price is not None:
                story = f"{score}: {row['title']}"
                yield ticker, wall(row["at"]), "headline", f"{price:.4f}", story


def _chart(rows: Sequence[Row] | None, **parts: Any) -> Spec:
    data = {} if rows is None else {"data": {"values": list(rows)}}
    return {
        "$schema": _SCHEMA,
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        **data,
        **parts,
    }


def _csv(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Spec:
    """Rows as CSV, a third of what they take as JSON objects."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    numbers = {name: "number" for name in ("close", "price") if name in names}
    return {
        "values": text.getvalue(),
        "format": {"type": "csv", "parse": {"at": "date", **numbers}},
    }


def _time_axis(facts: Facts) -> Spec:
    axis = {
        "format": "%H:%M",
        "title": None,
        "labelOverlap": "greedy",
        "labelSeparation": 12,
        "grid": False,
    }
    shown: Spec = {"field": "at", "type": "temporal", "axis": axis}
    if facts.opens and facts.closes:
        shown["scale"] = {"domain": [_date_time(facts.opens), _date_time(facts.closes)]}
    return shown


def _date_time(moment: datetime) -> Spec:
    """As Vega-Lite wants the ends of a time axis, on the wall clock again."""
    local = moment.astimezone(NEW_YORK)
    return {
        "year": local.year,
        "month": local.month,
        "date": local.day,
        "hours": local.hour,
        "minutes": local.minute,
    }


def _first_ticker(facts: Facts) -> str:
    """The one of the explained decision, so that its story can be seen at once."""
    told = facts.explained.recommendation["ticker"] if facts.explained else None
    return str(told) if told in facts.tickers else facts.tickers[0]


def _part(facts: Facts, title: str) -> list[Row]:
    return next(part.rows for part in facts.parts if part.title == title)


def _result(row: Row) -> str:
    if row["out"] is None or row["P&L"] is None:
        return "open"
    return "gain" if row["P&L"] >= 0 else "loss"


def _nearest(name: str) -> Spec:
    select = {
        "type": "point",
        "fields": ["at"],
        "nearest": True,
        "on": "pointerover",
        "clear": "pointerout",
    }
    return {"name": name, "select": select}


def _shown(name: str) -> Spec:
    return {"param": name, "value": 0.5, "empty": False}
