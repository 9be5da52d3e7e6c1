"""A database of many accounts and sessions: whole trades, written in bulk by the schema's owner."""

from datetime import datetime

from ops_pipeline.db.driver.connection import Database

# User triggers hold the caps, one row at a time; foreign keys and checks stay on.
_TABLES = ("orders", "active_positions", "fills")

_ACCOUNTS = """
INSERT INTO accounts
SELECT (jsonb_populate_record(a, jsonb_build_object('account_name', 'a' || n))).*
FROM accounts AS a, generate_series(1, :accounts) AS n WHERE a.account_name = 'large'
"""
_PARAMETERS = """
INSERT INTO parameter_versions (version, source, parameters, checksum, active, created_at)
VALUES (1, 'default', '{"gates": {"recommendation_age_s": 300}}', 'many', true, :first_open)
ON CONFLICT DO NOTHING
"""
# Trade n of a session is entered n minutes after the open and sold an hour later.
_TRADES = """
CREATE TABLE trades AS
SELECT 'a' || a AS account, 'T' || n AS ticker, a || '-' || s || '-' || n AS key,
       (CAST(s AS bigint) * 1000 + n) * 1000 + a AS number,
       CAST(md5(a || '-' || s || '-' || n) AS uuid) AS id,
       CAST(:first_open AS timestamptz) + make_interval(days => s, mins => n) AS at
FROM generate_series(1, :accounts) AS a, generate_series(0, CAST(:sessions AS int) - 1) AS s,
     generate_series(1, :trades) AS n
"""
_RECOMMENDATIONS = """
INSERT INTO dispatch_recommendations (id, ts, created_at, account_name, ticker, action,
    instrument_type, strategy_type, confidence, reason, status, features_snapshot, processed_at,
    parameter_version)
SELECT number, at, at, account, ticker, 'BUY', 'STOCK', 'day_trade', 0.9, '{}', 'EXECUTED', '{}',
       at, (SELECT max(version) FROM parameter_versions)
FROM trades
"""
_ENTRIES = """
INSERT INTO orders (client_order_id, account_name, purpose, recommendation_id, attempt, ticker,
    symbol, instrument_type, multiplier, side, quantity, order_type, price, time_in_force,
    reserved_notional, status, reason, broker_order_id, filled_qty, filled_avg_price, decided_at,
    terminal_at, tick, execution_mode, broker)
SELECT 'in-' || key, account, 'entry', number, 1, ticker, ticker, 'STOCK', 1, 'buy', 10, 'limit',
       100, 'day', 0, 'filled', 'signal', 'b-in-' || key, 10, 100, at, at, at, a.execution_mode,
       a.broker
FROM trades JOIN accounts AS a ON a.account_name = account
"""
_EXECUTIONS = """
INSERT INTO dispatch_executions (execution_id, recommendation_id, client_order_id, account_name,
    ticker, action, instrument_type, qty, entry_price, notional, decision_ts, created_at,
    execution_mode, explain_json, risk_json, strategy_type)
SELECT id, number, 'in-' || key, account, ticker, 'BUY', 'STOCK', 10, 100, 1000, at, at,
       a.execution_mode, '{}', '{}', 'day_trade'
FROM trades JOIN accounts AS a ON a.account_name = account
"""
_POSITIONS = """
INSERT INTO active_positions (id, execution_id, account_name, ticker, symbol, instrument_type,
    strategy_type, side, quantity, opened_quantity, multiplier, entry_price, entry_time,
    trailing_armed, lifecycle_state, status, close_reason, created_at, updated_at, closed_at,
    execution_mode, broker)
SELECT id, id, account, ticker, ticker, 'STOCK', 'day_trade', 'long', 0, 10, 1, 100, at, false,
       'initial', 'closed', 'stop_loss', at, at, at + interval '1 hour', a.execution_mode, a.broker
FROM trades JOIN accounts AS a ON a.account_name = account
"""
_EXITS = """
INSERT INTO orders (client_order_id, account_name, purpose, position_id, attempt, ticker,
    symbol, instrument_type, multiplier, side, quantity, order_type, price, time_in_force,
    reserved_notional, status, reason, broker_order_id, filled_qty, filled_avg_price, decided_at,
    terminal_at, tick, execution_mode, broker)
SELECT 'out-' || key, account, 'exit', id, 1, ticker, ticker, 'STOCK', 1, 'sell', 10, 'limit',
       90, 'day', 0, 'filled', 'stop_loss', 'b-out-' || key, 10, 90, at + interval '1 hour',
       at + interval '1 hour', at + interval '1 hour', a.execution_mode, a.broker
FROM trades JOIN accounts AS a ON a.account_name = account
"""
_FILLS = """
INSERT INTO fills (account_name, fill_id, client_order_id, symbol, side, quantity, price,
    executed_at, evidence, recorded_at)
SELECT account_name, 'f-' || client_order_id, client_order_id, symbol, side, filled_qty,
       filled_avg_price, terminal_at, 'broker', terminal_at
FROM orders
"""
_EVENTS = """
INSERT INTO position_events (position_id, seq, account_name, at, kind, details)
SELECT id, seq, account, at, CASE seq WHEN 1 THEN 'opened' ELSE 'exit_decided' END, '{}'
FROM trades, generate_series(1, 2) AS seq
"""
_HISTORY = """
INSERT INTO position_history (id, position_id, execution_id, account_name, ticker,
    instrument_type, strategy_type, side, quantity, entry_price, exit_price, entry_time,
    exit_time, pnl_dollars, pnl_pct, multiplier, exit_reason, holding_minutes, win_loss_label,
    execution_mode, verified)
SELECT id, id, id, account, ticker, 'STOCK', 'day_trade', 'long', 10, 100, 90, at,
       at + interval '1 hour', -100, -0.1, 1, 'stop_loss', 60, 'loss', a.execution_mode, true
FROM trades JOIN accounts AS a ON a.account_name = account
"""


def fill(
    owner: Database, *, first_open: datetime, accounts: int, sessions: int, trades: int
) -> None:
    """Store `trades` bought and sold positions a session and account, and analyze the tables."""
    with owner.transaction() as tx:
        for table in _TABLES:
            tx.script(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        tx.execute(_ACCOUNTS, accounts=accounts)
        tx.execute(_PARAMETERS, first_open=first_open)
        tx.execute(
            _TRADES, first_open=first_open, accounts=accounts, sessions=sessions, trades=trades
        )
        for statement in (_RECOMMENDATIONS, _ENTRIES, _EXECUTIONS, _POSITIONS, _EXITS, _FILLS):
            tx.execute(statement)
        tx.execute(_EVENTS)
        tx.execute(_HISTORY)
        for table in _TABLES:
            tx.script(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        tx.script("DROP TABLE trades; ANALYZE")
