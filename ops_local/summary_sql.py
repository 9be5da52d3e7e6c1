"""The statements of the summary; their column names are the tables' headings."""

DAY = """
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

STAGE = """
SELECT stage, count(*) AS runs,
       sum((counts ->> CAST(:came_in AS text))::bigint) AS "rows in",
       sum((counts ->> CAST(:went_out AS text))::bigint) AS "rows out",
       count(*) FILTER (WHERE status = 'failed') AS failed
FROM pipeline_runs WHERE stage = :stage GROUP BY stage
"""

RECOMMENDATIONS = """
SELECT account_name AS account, action, status, count(*) AS count FROM dispatch_recommendations
GROUP BY account_name, action, status
ORDER BY account_name COLLATE "C", action COLLATE "C", status COLLATE "C"
"""

REFUSALS = """
SELECT gate.key AS gate, count(*) AS refused
FROM dispatch_recommendations AS r, jsonb_each(r.risk_gate_json) AS gate
WHERE r.status = 'SKIPPED' AND gate.value ->> 'passed' = 'false'
GROUP BY gate.key ORDER BY count(*) DESC, gate.key COLLATE "C"
"""

EXECUTIONS = """
SELECT account_name AS account, execution_mode AS mode, count(*) AS executions,
       sum(notional) AS notional
FROM dispatch_executions GROUP BY account_name, execution_mode
ORDER BY account_name COLLATE "C", execution_mode COLLATE "C"
"""

# An open position shows what it would be worth at its last mark.
POSITIONS = """
SELECT p.account_name AS account, p.symbol, p.opened_quantity AS qty,
       p.entry_time AS "in", p.entry_price AS bought,
       h.exit_time AS "out", h.exit_price AS sold,
       coalesce(h.exit_reason, p.close_reason, p.status) AS exit,
       coalesce(h.pnl_dollars, p.current_pnl_dollars) AS "P&L"
FROM active_positions AS p LEFT JOIN position_history AS h ON h.position_id = p.id
ORDER BY p.entry_time, p.account_name COLLATE "C", p.symbol COLLATE "C"
"""

RESULTS = """
SELECT account_name AS account, execution_mode AS mode, count(*) AS closed,
       count(*) FILTER (WHERE win_loss_label = 'win') AS won,
       count(*) FILTER (WHERE NOT verified) AS unverified, sum(pnl_dollars) AS "P&L"
FROM position_history GROUP BY account_name, execution_mode
ORDER BY account_name COLLATE "C", execution_mode COLLATE "C"
"""
