"""The data of each chart as a table, for readers who can't see charts or want the numbers."""

from collections.abc import Callable
from datetime import datetime

from ops_local.figures import cell
from ops_local.page.markup import Html, part_table, table, tag
from ops_local.page.price_chart import price_marks
from ops_local.page.sources import PageData
from ops_pipeline.db.driver.connection import Row

_EVERY_MINUTES = 15


def behind(name: str, facts: PageData) -> Html:
    """The data of one chart as a table."""
    return _TABLES[name](facts)


def headlines(facts: PageData) -> list[Row]:
    """Headlines, newest last, with score and which report of its story each one is."""
    return [
        {
            "at": row["at"],
            "score": "-" if row["score"] is None else f"{row['score']:+.2f}",
            "model": row["model"],
            "tickers": cell("tickers", row["tickers"]) + (" (mixed)" if row["mixed"] else ""),
            "report": f"{row['telling']} of {row['times_told']}",
            "headline": row["title"],
            "source": row["source"],
        }
        for row in facts.headlines
    ]


def _equity(facts: PageData) -> Html:
    """A row for every quarter of an hour, and the last one."""
    by_minute: dict[datetime, Row] = {}
    for point in facts.equity:
        row = by_minute.setdefault(point.at, {"at": point.at})
        row[f"P&L {point.account}"] = point.gain
    rows = list(by_minute.values())
    shown = [row for row in rows[:-1] if row["at"].minute % _EVERY_MINUTES == 0]
    return table([*shown, rows[-1]], "Gain by account, USD")


def _positions(facts: PageData) -> Html:
    return part_table(next(part for part in facts.parts if part.title == "Positions"))


def _prices(facts: PageData) -> Html:
    marks = [
        {
            "ticker": mark.ticker,
            "at": mark.at[11:16],
            "what": mark.what,
            "price": mark.price,
            "how": mark.story,
        }
        for mark in sorted(price_marks(facts), key=lambda mark: (mark.ticker, mark.at))
    ]
    if not marks:
        return tag("p", "Nothing was signalled, bought or sold.")
    return table(marks, "Signals, fills and headlines by ticker")


def _refusals(facts: PageData) -> Html:
    return table(facts.refusals, "Refusals by gate and account")


_TABLES: dict[str, Callable[[PageData], Html]] = {
    "equity": _equity,
    "positions": _positions,
    "prices": _prices,
    "refusals": _refusals,
}
