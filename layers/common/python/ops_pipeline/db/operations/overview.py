"""What an operator sees of a pipeline: accounts, runs, holdings and what is wrong.

`ops status` and `ops doctor` read it here and in a deployed stack, where every value comes back
as JSON: each statement is one that the console runs as well.
"""

from collections.abc import Sequence
from datetime import date, datetime

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.db.halts import HALTED
from ops_pipeline.db.roles import READER_SETTINGS, Role
from ops_pipeline.domain.operations.stage import ROLES

# The owner of a replay's leases; a worker on the wall clock has a name of its own.
REPLAYS_OWNER = "local"

_ACCOUNTS = f"""
SELECT account_name, execution_mode, active, max_positions, max_exposure, {HALTED} AS halted
FROM accounts ORDER BY account_name COLLATE "C"
"""
_LAST_RUNS = """
SELECT DISTINCT ON (stage COLLATE "C") stage, tick, status, error_class
FROM pipeline_runs ORDER BY stage COLLATE "C", tick DESC
"""
# A stage has a run a tick for each of its accounts.
_FAILED_RUNS = """
SELECT stage, scope, tick, status, error_class, error_message FROM (
    SELECT DISTINCT ON (stage COLLATE "C", scope COLLATE "C") * FROM pipeline_runs
    ORDER BY stage COLLATE "C", scope COLLATE "C", tick DESC) AS last
WHERE status IN ('failed', 'abandoned')
"""
# A role may change its own password and settings, and nobody can forbid it: what shows is said.
_ALTERED_LOGINS = """
SELECT r.rolname AS login, found.what
FROM pg_roles AS r
CROSS JOIN LATERAL (VALUES
    (r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls,
     'may do more than a stage needs'),
    (EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = r.oid),
     'is a member of another role'),
    (NOT r.rolcanlogin, 'may not log in'),
    (r.rolvaliduntil IS NOT NULL, 'has a password that ends'),
    (r.rolname <> :reader AND r.rolconfig IS NOT NULL OR EXISTS (
        SELECT FROM pg_db_role_setting AS s WHERE s.setrole = r.oid AND s.setdatabase <> 0
    ), 'has settings of its own'),
    (r.rolname = :reader AND NOT coalesce(r.rolconfig, '{}') @> CAST(:settings AS text[]),
     'lacks a bound on what a question may cost')
) AS found (so, what)
WHERE found.so AND r.rolname = ANY(CAST(:logins AS text[]))
UNION ALL
SELECT rolname, 'has all groups'' rights and may log in: migrate once more, or alter it to NOLOGIN'
FROM pg_roles
WHERE rolname = :writer AND rolcanlogin
  AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_superuser')
ORDER BY 1, 2
"""
_OPEN_POSITIONS = """
SELECT account_name, symbol, quantity, entry_price, current_price, current_pnl_dollars, status
FROM active_positions WHERE status <> 'closed'
ORDER BY account_name COLLATE "C", symbol COLLATE "C"
"""
_LEFT_ALONE = """
SELECT account_name, symbol, asset_class, quantity, average_cost, price_found, price, found_at
FROM external_holdings WHERE quantity <> 0
ORDER BY account_name COLLATE "C", symbol COLLATE "C"
"""
_ORDERS_BY_HAND = """
SELECT account_name, symbol, side, quantity, filled_qty, decided_at, client_order_id FROM orders
WHERE purpose = 'adopted' AND is_live(status)
ORDER BY account_name COLLATE "C", symbol COLLATE "C", client_order_id COLLATE "C"
"""
_UNKNOWN_ORDERS = """
SELECT account_name, client_order_id, status, purpose, symbol, decided_at FROM orders
WHERE status IN ('intended', 'unknown') ORDER BY decided_at, client_order_id COLLATE "C"
"""
_OPEN_ALERTS = """
SELECT severity, kind, scope, subject, message, opened_at FROM alerts
WHERE resolved_at IS NULL ORDER BY opened_at, kind COLLATE "C", subject COLLATE "C"
"""
# A run that failed served what it could.
_GUARD_RUNS = """
SELECT asked.account, run.tick
FROM unnest(CAST(:accounts AS text[])) AS asked (account)
CROSS JOIN LATERAL (
    SELECT tick FROM pipeline_runs
    WHERE stage = 'position_manager' AND scope = asked.account
      AND status IN ('succeeded', 'failed')
    ORDER BY tick DESC LIMIT 1
) AS run
"""
_LAST_RUN = "SELECT max(finished_at) AS at FROM pipeline_runs"
_FIRST_TICK = "SELECT min(tick) AS at FROM pipeline_runs"
_NEWEST_TICKS = """
SELECT stage, scope, max(tick) AS tick FROM pipeline_runs
WHERE status IN ('succeeded', 'failed') GROUP BY stage, scope
"""
_NEWEST_OWNER = "SELECT owner FROM pipeline_runs ORDER BY started_at DESC LIMIT 1"


def accounts(tx: Transaction, *, today: date) -> list[Row]:
    """Each account with what halts its entries on that New York day, or None."""
    return tx.rows(_ACCOUNTS, today=today.isoformat())


def last_runs(tx: Transaction) -> list[Row]:
    """The newest run of each stage."""
    return tx.rows(_LAST_RUNS)


def failed_runs(tx: Transaction) -> list[Row]:
    """Stages whose newest run, of any account, failed or was given up."""
    return tx.rows(_FAILED_RUNS)


def open_positions(tx: Transaction) -> list[Row]:
    """What is held or being sold."""
    return tx.rows(_OPEN_POSITIONS)


def left_alone(tx: Transaction) -> list[Row]:
    """What accounts held before their first run."""
    return tx.rows(_LEFT_ALONE)


def orders_by_hand(tx: Transaction) -> list[Row]:
    """Live orders that a person placed at the broker."""
    return tx.rows(_ORDERS_BY_HAND)


def unknown_orders(tx: Transaction) -> list[Row]:
    """Orders of which the broker has confirmed nothing yet, oldest first."""
    return tx.rows(_UNKNOWN_ORDERS)


def open_alerts(tx: Transaction) -> list[Row]:
    """Alerts that nobody has resolved, oldest first."""
    return tx.rows(_OPEN_ALERTS)


def guard_runs(tx: Transaction, accounts: Sequence[str]) -> dict[str, datetime]:
    """The tick of the position manager's newest run by account; one without a run is absent."""
    found = tx.rows(_GUARD_RUNS, accounts=list(accounts))
    return {row["account"]: row["tick"] for row in found}


def last_run_at(tx: Transaction) -> datetime | None:
    """When the newest run finished; None where nothing ever ran."""
    row = tx.one(_LAST_RUN)
    return row["at"] if row else None


def first_tick(tx: Transaction) -> datetime | None:
    """The tick of the oldest run that is kept; None where nothing ever ran."""
    row = tx.one(_FIRST_TICK)
    return row["at"] if row else None


def newest_ticks(tx: Transaction) -> dict[tuple[str, str], datetime]:
    """The tick of the newest run that ended, by stage and scope."""
    return {(row["stage"], row["scope"]): row["tick"] for row in tx.rows(_NEWEST_TICKS)}


def is_replayed(tx: Transaction) -> bool:
    """Whether the newest run was a replay's, whose clock is not the wall's."""
    row = tx.one(_NEWEST_OWNER)
    return row is not None and row["owner"] == REPLAYS_OWNER


def altered_logins(tx: Transaction) -> list[Row]:
    """The logins that are not as the migration makes them, and how they differ."""
    return tx.rows(
        _ALTERED_LOGINS,
        logins=[role for login, role in ROLES.items() if login != "migration"],
        reader=Role.READER.value,
        writer=Role.WRITER.value,
        settings=[f"{name}={value}" for name, value in READER_SETTINGS.items()],
    )
