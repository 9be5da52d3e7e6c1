"""The charts as Vega-Lite specifications with embedded data."""

from ops_local.figures import clock, dollars, gain, plain
from ops_local.page.price_chart import prices
from ops_local.page.sources import PageData
from ops_local.page.vega import (
    CLOCK,
    GAIN,
    HEIGHT_PX,
    LEGEND,
    LOSS,
    NEITHER,
    ROW_PX,
    Spec,
    chart,
    nearest,
    time_axis,
    wall,
)
from ops_pipeline.db.driver.connection import Row

# Room at the right for the number after a bar that ends with the session.
_FIGURE_PX = 54
_RESULTS = {"domain": ["gain", "loss", "open"], "range": [GAIN, LOSS, NEITHER]}
_POSITION_TOOLTIP = [
    {"field": "label", "title": "position"},
    {"field": "in", **CLOCK},
    {"field": "out", **CLOCK},
    {"field": "gain", "title": "gain, USD"},
    {"field": "story", "title": "how"},
]


def specs(facts: PageData) -> dict[str, Spec]:
    """Every chart that has data, by the id of its element on the page."""
    charts: dict[str, Spec] = {}
    if facts.equity:
        charts["equity"] = equity(facts)
        charts["positions"] = positions(facts)
    if facts.prices:
        charts["prices"] = prices(facts)
    if facts.refusals:
        charts["refusals"] = refusals(facts)
    return charts


def equity(facts: PageData) -> Spec:
    """One line for each account, from 0 at the open to the close."""
    accounts = sorted({point.account for point in facts.equity})
    color = {"field": "account", "type": "nominal", **LEGEND}
    line = {
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2},
        "encoding": {
            "y": {"field": "gain", "type": "quantitative", "title": "gain, USD"},
            "color": color,
        },
    }
    tooltip = [{"field": "at", **CLOCK, "title": "New York"}]
    tooltip += [{"field": name, "type": "quantitative", "format": "+,.2f"} for name in accounts]
    shown = {"condition": {"param": "hover", "value": 0.5, "empty": False}, "value": 0}
    rule = {
        "transform": [{"pivot": "account", "value": "gain", "groupby": ["at"]}],
        "mark": {"type": "rule", "strokeWidth": 1, "tooltip": True},
        "encoding": {"opacity": shown, "tooltip": tooltip},
        "params": [nearest("hover")],
    }
    encoding = {"x": time_axis(facts)}
    return chart(_equity_rows(facts), height=HEIGHT_PX, encoding=encoding, layer=[line, rule])


def positions(facts: PageData) -> Spec:
    """One bar for each position from entry to exit, followed by its profit."""
    label = {
        "field": "label",
        "type": "nominal",
        "sort": {"field": "order", "op": "min"},
        "title": None,
        "axis": {"labelLimit": 150},
    }
    bar = {
        "mark": {"type": "bar", "height": 12, "cornerRadius": 3},
        "encoding": {
            "x": time_axis(facts, "in"),
            "x2": {"field": "out"},
            "color": {"field": "result", **LEGEND, "scale": _RESULTS},
        },
    }
    figure = {
        "mark": {"type": "text", "align": "left", "dx": 5},
        "encoding": {"x": {"field": "out", "type": "temporal"}, "text": {"field": "gain"}},
    }
    return chart(
        _position_rows(facts),
        height={"step": ROW_PX},
        padding={"left": 5, "top": 5, "right": _FIGURE_PX, "bottom": 5},
        encoding={"y": label, "tooltip": _POSITION_TOOLTIP},
        layer=[bar, figure],
    )


def refusals(facts: PageData) -> Spec:
    """Refusals by gate and account; one refusal may name several gates."""
    return chart(
        facts.refusals,
        height={"step": ROW_PX},
        mark={"type": "bar", "cornerRadiusEnd": 3, "height": 14},
        encoding={
            "y": {"field": "gate", "type": "nominal", "sort": "-x", "title": None},
            "x": {
                "field": "refused",
                "type": "quantitative",
                "title": "recommendations refused",
                "axis": {"tickMinStep": 1, "tickCount": 6},
            },
            "color": {"field": "account", **LEGEND},
            "tooltip": [{"field": "gate"}, {"field": "account"}, {"field": "refused"}],
        },
    )


def _equity_rows(facts: PageData) -> list[Row]:
    """The points, starting with 0 at the open and extended to the close."""
    rows: list[Row] = [
        {"at": wall(point.at), "account": point.account, "gain": float(point.gain)}
        for point in facts.equity
    ]
    last = {row["account"]: row["gain"] for row in rows}
    if facts.opens is None or facts.closes is None:
        return rows
    opens, closes = wall(facts.opens), wall(facts.closes)
    at_open = [{"at": opens, "account": name, "gain": 0.0} for name in last]
    at_close = [{"at": closes, "account": name, "gain": gained} for name, gained in last.items()]
    return [*at_open, *rows, *at_close]


def _position_rows(facts: PageData) -> list[Row]:
    positions = next(part.rows for part in facts.parts if part.title == "Positions")
    return [
        {
            # Includes the time, so that each position has its own line.
            "label": f"{clock(row['in'])} {row['symbol']} {row['account']}",
            "order": number,
            "in": wall(row["in"]),
            "out": wall(row["out"] or facts.closes or row["in"]),
            "result": _result(row),
            "gain": "open" if row["P&L"] is None else gain(row["P&L"]),
            "story": f"{plain(row['qty'])} at {dollars(row['bought'])}, {row['exit']}",
        }
        for number, row in enumerate(positions)
    ]


def _result(row: Row) -> str:
    if row["out"] is None or row["P&L"] is None:
        return "open"
    return "gain" if row["P&L"] >= 0 else "loss"
