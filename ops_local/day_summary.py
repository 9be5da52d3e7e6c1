"""Tables of what the stages did, read from the database."""

from collections.abc import Iterator
from functools import partial

from ops_local.looks import alone, is_known, looked
from ops_local.summary import Part
from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.operations.manifest import STAGES

_DAY = """
SELECT (SELECT max(CAST(tick AT TIME ZONE 'America/New_York' AS date)) FROM pipeline_runs) AS day,
       (SELECT count(*) FROM tickers WHERE is_watched) AS tickers_watched,
       (SELECT round(CAST(close AS numeric), 2) FROM vix_history ORDER BY day DESC LIMIT 1)
           AS vix_before_the_session,
       (SELECT count(*) FROM inbound_events_raw) AS news_items,
       (SELECT count(DISTINCT story_id) FROM inbound_events_raw) AS stories_they_tell,
       (SELECT count(*) FROM lane_telemetry) AS one_minute_bars,
       (SELECT count(*) FROM lane_telemetry_rejected) AS bars_kept_aside,
       (SELECT count(*) FROM price_holds) AS tickers_held_back,
       (SELECT count(*) FROM lane_features) AS feature_rows,
       (SELECT count(*) FROM lane_features WHERE volume_surge) AS volume_surges,
       (SELECT count(*) FROM signal_evaluations WHERE outcome = 'SIGNAL') AS signals,
       (SELECT count(*) FROM alerts) AS alerts_opened
"""

_STAGE = """
SELECT stage, count(*) AS runs,
       sum((counts ->> CAST(:came_in AS text))::bigint) AS "rows in",
       sum((counts ->> CAST(:went_out AS text))::bigint) AS "rows out",
       count(*) FILTER (WHERE status = 'failed') AS failed
FROM pipeline_runs WHERE stage = :stage GROUP BY stage
"""

_RECOMMENDATIONS = """
SELECT account_name AS account, action, status, count(*) AS count FROM dispatch_recommendations
GROUP BY account_name, action, status
ORDER BY account_name COLLATE "C", action COLLATE "C", status COLLATE "C"
"""

_REFUSALS = """
SELECT gate.key AS gate, count(*) AS refused
FROM dispatch_recommendations AS r, jsonb_each(r.risk_gate_json) AS gate
WHERE r.status = 'SKIPPED' AND gate.value ->> 'passed' = 'false'
GROUP BY gate.key ORDER BY count(*) DESC, gate.key COLLATE "C"
"""

_EXECUTIONS = """
SELECT account_name AS account, execution_mode AS mode, count(*) AS executions,
       sum(notional) AS notional
FROM dispatch_executions GROUP BY account_name, execution_mode
ORDER BY account_name COLLATE "C", execution_mode COLLATE "C"
"""

# An open position shows what it would be worth at its last mark.
_POSITIONS = """
SELECT p.account_name AS account, p.symbol, p.opened_quantity AS qty,
       p.entry_time AS "in", p.entry_price AS bought,
       h.exit_time AS "out", h.exit_price AS sold,
       coalesce(h.exit_reason, p.close_reason, p.status) AS exit,
       coalesce(h.pnl_dollars, p.current_pnl_dollars) AS "P&L"
FROM active_positions AS p LEFT JOIN position_history AS h ON h.position_id = p.id
ORDER BY p.entry_time, p.account_name COLLATE "C", p.symbol COLLATE "C"
"""

_RESULTS = """
SELECT account_name AS account, execution_mode AS mode, count(*) AS closed,
       count(*) FILTER (WHERE win_loss_label = 'win') AS won,
       count(*) FILTER (WHERE NOT verified) AS unverified, sum(pnl_dollars) AS "P&L",
       round(sum(fees_usd), 2) AS fees, round(sum(pnl_net_dollars), 2) AS "net P&L"
FROM position_results GROUP BY account_name, execution_mode
ORDER BY account_name COLLATE "C", execution_mode COLLATE "C"
"""


def read(tx: Transaction) -> list[Part]:
    """Everything the pipeline did in this database, in the order of the pipeline.

    What cannot be read says so in its place, and a stage in a table beside the others.
    """
    day, *decisions = looked(
        tx,
        (
            ("The day", lambda: list(_facts(tx))),
            ("Recommendations", lambda: tx.rows(_RECOMMENDATIONS)),
            ("Refused by gate", lambda: tx.rows(_REFUSALS)),
            ("Executions", lambda: tx.rows(_EXECUTIONS)),
            ("Positions", lambda: tx.rows(_POSITIONS)),
            ("Closed trades", lambda: tx.rows(_RESULTS)),
        ),
    )
    return [day, *_stages(tx), *decisions]


def _facts(tx: Transaction) -> Iterator[Row]:
    """Facts about the day, one in each row."""
    facts = tx.one(_DAY) or {}
    for name, value in facts.items():
        yield {"fact": name.replace("_", " "), "value": value}


def _stages(tx: Transaction) -> Iterator[Part]:
    """Each stage's runs, and what keeps some of them from being read."""
    known: list[Row] = []
    unknown: list[Row] = []
    for stage in STAGES:
        sql = {"stage": stage.name, "came_in": stage.rows_in, "went_out": stage.rows_out}
        found = alone(tx, partial(tx.rows, _STAGE, **sql))
        if is_known([Part("", found)]):
            known += found
        else:
            unknown += [{"stage": stage.name, **row} for row in found]
    yield Part("Stages", known)
    if unknown:
        yield Part("Stages that cannot be read", unknown)
