"""The migrations that this code requires, and the check for them."""

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.errors import SchemaBehind

# A test compares this with the files in migrations/.
VERSIONS = (
    "0001_create_runs",
    "0002_create_news",
    "0003_create_market_data",
    "0004_create_trading",
    "0005_add_tickers",
    "0006_add_accounts",
    "0007_remember_redirects",
    "0008_keep_cash_readings",
    "0010_add_name_context",
    "0012_let_retention_delete",
    "0013_keep_newest_bars_visible",
    "0015_name_the_broker",
    "0016_bind_accounts",
    "0017_close_holes_in_the_caps",
    "0018_keep_the_mode_of_orders",
    "0019_index_growing_tables",
    "0020_keep_written_times",
    "0021_date_symbols",
    "0022_version_stories",
    "0026_keep_close_requests",
    "0027_keep_overfills",
    "0028_keep_unbooked_facts",
    "0029_keep_broker_comparisons",
    "0030_recover_the_ledger",
    "0031_index_settled_orders",
    "0038_keep_the_terms_of_orders",
    "0039_keep_doubted_quotes",
    "0042_keep_the_mode_of_ended_orders",
    "0043_give_each_group_a_login",
    "0044_keep_adopted_orders_unsent",
    "0046_let_control_add_accounts",
    "0047_describe_feeds",
    "0048_keep_the_deployment_file",
    "0049_keep_what_was_held_before",
    "0050_name_the_source_of_the_index",
    "0051_keep_doubted_bars",
    "0052_keep_covered_shorts",
    "0053_keep_groups_out_of_each_others_locks",
    "0054_keep_trading_halts",
    "0055_keep_shorts_by_hand",
    "0056_know_which_minutes_were_asked_for",
    "0057_adjust_for_corporate_actions",
    "0058_keep_alerts_on_corporate_actions",
    "0059_keep_event_dates",
    "0060_keep_alerts_on_halts",
    "0061_share_quotes",
    "0062_look_at_minutes_again",
    "0063_keep_order_costs",
)

_HISTORY = "SELECT to_regclass('schema_migrations') IS NOT NULL AS present"
_APPLIED = "SELECT CAST(version AS text) AS version FROM schema_migrations"


def missing_versions(tx: Transaction) -> tuple[str, ...]:
    """The versions that the database lacks, in order; none for a database that is ahead."""
    present = any(row["present"] for row in tx.rows(_HISTORY))
    applied = {row["version"] for row in tx.rows(_APPLIED)} if present else set()
    return tuple(version for version in VERSIONS if version not in applied)


def require_current(tx: Transaction) -> None:
    """Refuse a database that lacks a migration; one that is ahead is accepted.

    Raises:
        SchemaBehind: the message has the missing versions.
    """
    if missing := missing_versions(tx):
        raise SchemaBehind(f"the database lacks {', '.join(missing)}: run the migrations first")
