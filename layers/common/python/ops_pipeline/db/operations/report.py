"""Queries of the daily report, for start <= time < end of a New York day."""

from datetime import datetime

from ops_pipeline.db.driver.connection import Row, Transaction

_NEWS = """
SELECT
    (SELECT count(*) FROM inbound_events_raw WHERE fetched_at >= :start AND fetched_at < :end)
        AS items,
    (SELECT count(*) FROM inbound_events_classified
     WHERE created_at >= :start AND created_at < :end AND status = 'CLASSIFIED') AS classified,
    (SELECT count(*) FROM inbound_events_classified
     WHERE created_at >= :start AND created_at < :end AND status <> 'CLASSIFIED')
        AS unclassifiable
"""

_MARKET = """
SELECT
    (SELECT count(*) FROM lane_telemetry WHERE ts >= :start AND ts < :end) AS bars,
    (SELECT count(DISTINCT ticker) FROM lane_telemetry WHERE ts >= :start AND ts < :end)
        AS tickers,
    (SELECT count(*) FROM lane_telemetry_rejected WHERE ts >= :start AND ts < :end)
        AS bars_rejected,
    (SELECT count(*) FROM lane_features WHERE ts >= :start AND ts < :end) AS features,
    (SELECT count(*) FROM lane_features WHERE ts >= :start AND ts < :end AND volume_surge)
        AS volume_surges
"""

_RECOMMENDATIONS = """
SELECT account_name AS account, status, count(*) AS count FROM dispatch_recommendations
WHERE ts >= :start AND ts < :end
GROUP BY account_name, status
ORDER BY account_name COLLATE "C", status COLLATE "C"
"""

_EXECUTIONS = """
SELECT account_name AS account, execution_mode AS mode, count(*) AS count,
       sum(notional) AS notional_usd
FROM dispatch_executions
WHERE decision_ts >= :start AND decision_ts < :end
GROUP BY account_name, execution_mode
ORDER BY account_name COLLATE "C", execution_mode COLLATE "C"
"""

# A position closed without fills as evidence has no P&L: it is counted and not summed. Net is of
# those whose fees are known.
_RESULTS = """
SELECT account_name AS account, execution_mode AS mode, count(*) AS closed,
       count(*) FILTER (WHERE NOT verified) AS unverified,
       count(*) FILTER (WHERE win_loss_label = 'win') AS wins,
       sum(pnl_dollars) AS pnl_usd, sum(fees_usd) AS fees_usd,
       sum(pnl_net_dollars) AS pnl_net_usd
FROM position_results
WHERE exit_time >= :start AND exit_time < :end
GROUP BY account_name, execution_mode
ORDER BY account_name COLLATE "C", execution_mode COLLATE "C"
"""

_FAILURES = """
SELECT stage, error_class AS error, count(*) AS count FROM pipeline_runs
WHERE status = 'failed' AND tick >= :start AND tick < :end
GROUP BY stage, error_class
ORDER BY stage COLLATE "C", error_class COLLATE "C"
"""

_ALERTS = """
SELECT kind, count(*) AS opened, count(*) FILTER (WHERE resolved_at IS NULL) AS still_open
FROM alerts
WHERE opened_at >= :start AND opened_at < :end
GROUP BY kind
ORDER BY kind COLLATE "C"
"""


def news(tx: Transaction, start: datetime, end: datetime) -> Row:
    return tx.rows(_NEWS, start=start, end=end)[0]


def market(tx: Transaction, start: datetime, end: datetime) -> Row:
    return tx.rows(_MARKET, start=start, end=end)[0]


def recommendations(tx: Transaction, start: datetime, end: datetime) -> list[Row]:
    """By account and status."""
    return tx.rows(_RECOMMENDATIONS, start=start, end=end)


def executions(tx: Transaction, start: datetime, end: datetime) -> list[Row]:
    """Filled entries, by account and mode."""
    return tx.rows(_EXECUTIONS, start=start, end=end)


def results(tx: Transaction, start: datetime, end: datetime) -> list[Row]:
    """Closed positions by account and mode; `pnl_usd` is None if none is verified.

    `pnl_net_usd` is net of `fees_usd`; both None if no fees are known.
    """
    return tx.rows(_RESULTS, start=start, end=end)


def failures(tx: Transaction, start: datetime, end: datetime) -> list[Row]:
    """Failed runs by stage and error."""
    return tx.rows(_FAILURES, start=start, end=end)


def alerts(tx: Transaction, start: datetime, end: datetime) -> list[Row]:
    """Opened alerts, by kind."""
    return tx.rows(_ALERTS, start=start, end=end)
