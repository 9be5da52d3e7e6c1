"""Tables and columns that users' scripts read, and what holds for all of them."""

from ops_pipeline.db.driver.connection import Database
from tests.unit.source_rules import CLOCK_IN_SQL

# DESIGN 4 and DOMAIN.md; an empty list promises the table alone.
PROMISED = {
    "inbound_events_raw": """id event_uid published_at source title link summary fetched_at
        processed_at""",
    "inbound_events_classified": """id raw_event_id tickers sentiment_label sentiment_score
        created_at""",
    "feed_state": "",
    "tickers": "",
    "ticker_universe": "",
    "lane_telemetry": "ticker ts open high low close volume",
    "lane_telemetry_rejected": "",
    "lane_features": """ticker ts sma20 sma50 recent_vol baseline_vol vol_ratio distance_sma20
        distance_sma50 trend_state volume_current volume_avg_20 volume_ratio volume_surge return_5m
        return_15m computed_at""",
    "watchlist_state": "ticker watch_score rank reasons in_watchlist entered_at computed_at",
    "dispatch_recommendations": """id ts created_at account_name ticker action instrument_type
        strategy_type confidence reason status failure_reason risk_gate_json features_snapshot
        sentiment_snapshot dispatcher_run_id processed_at parameter_version""",
    "dispatch_executions": """execution_id recommendation_id dispatcher_run_id account_name ticker
        action instrument_type qty entry_price notional decision_ts simulated_ts created_at
        execution_mode explain_json risk_json sim_json option_symbol strike_price expiration_date
        contracts strategy_type stop_loss_price take_profit_price""",
    "orders": "",
    "fills": "",
    "dispatcher_runs": """run_id account_name started_at finished_at pulled_count processed_count
        simulated_count skipped_count failed_count run_summary_json""",
    "pipeline_runs": "",
    "accounts": "",
    "active_positions": """id execution_id account_name ticker instrument_type strategy_type side
        quantity entry_price entry_time option_symbol strike_price expiration_date stop_loss
        take_profit max_hold_minutes current_price current_pnl_dollars current_pnl_percent
        peak_price lifecycle_state status close_reason created_at updated_at closed_at""",
    "position_events": "",
    "position_history": """id execution_id account_name ticker instrument_type strategy_type side
        quantity entry_price exit_price entry_time exit_time pnl_dollars pnl_pct multiplier
        exit_reason r_multiple mae_pct mfe_pct holding_minutes win_loss_label""",
    "position_telemetry": "",
    "option_bars": "",
    "iv_surface": "",
    "vix_history": "",
    "run_timings": "",
    "parameter_versions": "",
    "learning_recommendations": "",
    "missed_opportunities": "",
    "alerts": "",
    "operator_actions": "",
    "schema_migrations": "version checksum applied_at execution_ms",
}

_COLUMNS = """
SELECT table_name, column_name, data_type, column_default, is_nullable, is_identity
FROM information_schema.columns WHERE table_schema = 'public'
"""
_VIEWS = "SELECT table_name FROM information_schema.views WHERE table_schema = 'public'"
_ACCOUNT_KEYS = """
SELECT c.relname AS table_name FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND EXISTS (
    SELECT FROM pg_constraint AS f
    JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
    WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid = 'accounts'::regclass
      AND a.attname = 'account_name' AND cardinality(f.conkey) = 1)
"""
_STATE_CHECKS = """
SELECT pg_get_constraintdef(oid) AS rule FROM pg_constraint
WHERE conrelid = CAST(:name AS regclass) AND contype = 'c'
"""
_STATES = {
    "dispatch_recommendations": "PENDING PROCESSING EXECUTED SIMULATED SKIPPED FAILED CANCELLED "
    "EXPIRED",
    "active_positions": "open closing closed",
    "dispatch_executions": "SIMULATED ALPACA_PAPER LIVE",
}
_SEQUENCES = "SELECT relname FROM pg_class WHERE relkind = 'S'"
_BODIES = """
SELECT proname AS name, prosrc AS body FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


def test_each_promised_table_has_its_promised_columns(owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        there = {(row["table_name"], row["column_name"]) for row in tx.rows(_COLUMNS)}
    assert set(PROMISED) <= {table for table, _ in there}
    promised = {(table, name) for table, names in PROMISED.items() for name in names.split()}
    assert promised - there == set()


def test_times_know_their_zone_and_money_is_exact(owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        kinds = {(row["table_name"], row["column_name"]): row["data_type"]
                 for row in tx.rows(_COLUMNS)}  # fmt: skip
    assert "timestamp without time zone" not in kinds.values()
    money = ("price", "notional", "_dollars", "stop_loss", "take_profit", "max_exposure", "strike")
    inexact = {
        name for name, kind in kinds.items() if name[1].endswith(money) and kind != "numeric"
    }
    assert inexact == set()


def test_every_row_of_an_account_says_whose_it_is(owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        views = {row["table_name"] for row in tx.rows(_VIEWS)}
        owned = [
            row
            for row in tx.rows(_COLUMNS)
            if row["column_name"] == "account_name" and row["table_name"] not in views
        ]
        keyed = {row["table_name"] for row in tx.rows(_ACCOUNT_KEYS)}
    assert {row["is_nullable"] for row in owned} == {"NO"}
    assert {row["column_default"] for row in owned} == {None}
    assert {row["table_name"] for row in owned} == keyed | {"accounts"}


def test_the_promised_states_are_held_by_checks(owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        for table, states in _STATES.items():
            rules = [row["rule"] for row in tx.rows(_STATE_CHECKS, name=table)]
            held = [all(f"'{state}'" in rule for state in states.split()) for rule in rules]
            assert any(held), (table, rules)


def test_no_id_comes_from_a_sequence_and_no_value_from_the_server_s_clock(
    owner_db: Database,
) -> None:
    with owner_db.transaction() as tx:
        assert tx.rows(_SEQUENCES) == []
        columns = tx.rows(_COLUMNS)
        bodies = tx.rows(_BODIES)
    assert {row["is_identity"] for row in columns} == {"NO"}
    assert bodies, "the triggers on orders are functions"
    written = [row["column_default"] or "" for row in columns] + [row["body"] for row in bodies]
    assert [text for text in written if CLOCK_IN_SQL.search(text)] == []
