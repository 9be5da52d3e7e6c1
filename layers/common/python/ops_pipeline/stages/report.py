"""The daily report: news and bars in, decisions, executions, results, failures, alerts."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from ops_pipeline.db.driver.connection import Row
from ops_pipeline.db.operations import report
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.stages.request import TickRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of the tick's New York day. Money is exact decimal text, USD.

    Simulated and real executions and results are separate rows.
    """

    day: str
    news: dict[str, Any]
    market: dict[str, Any]
    recommendations: list[dict[str, Any]]
    executions: list[dict[str, Any]]
    results: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    alerts: list[dict[str, Any]]


def run(request: TickRequest, *, db: UnitsOfWork) -> Outcome:
    day = new_york_day(request.tick)
    start, end = new_york_time(day, 0), new_york_time(day + timedelta(days=1), 0)
    with db.transaction() as tx:
        return Outcome(
            day=day.isoformat(),
            news=_plain(report.news(tx, start, end)),
            market=_plain(report.market(tx, start, end)),
            recommendations=list(map(_plain, report.recommendations(tx, start, end))),
            executions=list(map(_plain, report.executions(tx, start, end))),
            results=list(map(_plain, report.results(tx, start, end))),
            failures=list(map(_plain, report.failures(tx, start, end))),
            alerts=list(map(_plain, report.alerts(tx, start, end))),
        )


def _plain(row: Row) -> dict[str, Any]:
    """JSON has no decimals: an amount becomes text."""
    return {
        name: format(value, "f") if isinstance(value, Decimal) else value
        for name, value in row.items()
    }
