"""Queries of the healthcheck: runs, newest output, failed recommendations, open alerts."""

from collections.abc import Sequence
from datetime import datetime

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.operations.health import OUTPUTS, FinalRecommendations, Run, Streak
from ops_pipeline.domain.operations.refusals import (
    BLOCKING,
    BLOCKING_IF_UNKNOWN,
    RefusedEntries,
)
from ops_pipeline.domain.parameters import GateRules

_RUNS = """
SELECT stage, scope, tick FROM pipeline_runs
WHERE status = 'succeeded' AND tick >= :since
ORDER BY tick, stage COLLATE "C", scope COLLATE "C"
"""

_ANY_BEFORE = "SELECT EXISTS (SELECT 1 FROM pipeline_runs WHERE tick <= :tick) AS found"

_NEWEST_RUNS = """
SELECT asked.stage, run.tick
FROM unnest(CAST(:stages AS text[])) AS asked (stage)
CROSS JOIN LATERAL (
    SELECT tick FROM pipeline_runs
    WHERE stage = asked.stage AND status = 'succeeded' AND tick <= :until
    ORDER BY tick DESC LIMIT 1
) AS run
"""

# A run that failed says nothing about it.
_CONFIGURED = """
SELECT account.account_name AS account,
       coalesce(run.counts ->> 'configured', 'true') <> 'false' AS configured
FROM accounts AS account
CROSS JOIN LATERAL (
    SELECT counts FROM pipeline_runs
    WHERE stage = 'position_manager' AND scope = account.account_name AND status = 'succeeded'
      AND tick <= :until
    ORDER BY tick DESC LIMIT 1
) AS run
WHERE account.active
ORDER BY account.account_name COLLATE "C"
"""

_FINAL = """
SELECT account_name, count(*) AS total, count(*) FILTER (WHERE status = 'FAILED') AS failed
FROM dispatch_recommendations
WHERE created_at > :since AND status NOT IN ('PENDING', 'PROCESSING')
GROUP BY account_name
ORDER BY account_name COLLATE "C"
"""

# A gate that an idea passed or that was not asked refuses nothing.
_REFUSED = """
SELECT account.account_name AS account, gate.key AS gate, count(DISTINCT r.id) AS refused,
    (SELECT count(*) FROM dispatch_recommendations AS final
     WHERE final.account_name = account.account_name AND final.created_at > :since
       AND final.status NOT IN ('PENDING', 'PROCESSING')) AS total
FROM accounts AS account
LEFT JOIN dispatch_recommendations AS r
    ON r.account_name = account.account_name AND r.created_at > :since AND r.status = 'SKIPPED'
LEFT JOIN LATERAL (
    SELECT verdict.key FROM jsonb_each(r.risk_gate_json) AS verdict (key, value)
    WHERE verdict.value ->> 'passed' = 'false'
      AND (verdict.key = ANY(CAST(:blocking AS text[]))
           OR (verdict.key = ANY(CAST(:if_unknown AS text[]))
               AND verdict.value ->> 'observed' IS NULL))
) AS gate ON true
WHERE account.active
GROUP BY account.account_name, gate.key
ORDER BY account.account_name COLLATE "C", gate.key COLLATE "C"
"""

# The same trades as the gate counts: in the account's mode, since it was last resumed. A limit
# that is no number is another finding's, and hides no other account's streak.
_STREAKS = """
SELECT account.account_name AS account, rule.streak_limit,
    count(*) FILTER (WHERE trade.pnl_pct < 0) AS lost
FROM accounts AS account
CROSS JOIN (
    SELECT CAST(CASE WHEN jsonb_typeof(parameters #> '{gates,account_losing_streak}') = 'number'
        THEN least(greatest(CAST(parameters #>> '{gates,account_losing_streak}' AS numeric), 1),
                   1000)
        ELSE CAST(:shipped AS integer) END AS integer) AS streak_limit
    FROM parameter_versions WHERE active
) AS rule
LEFT JOIN LATERAL (
    SELECT pnl_pct FROM position_history
    WHERE account_name = account.account_name AND execution_mode = account.execution_mode
      AND verified AND (account.streak_counted_from IS NULL
                        OR exit_time > account.streak_counted_from)
    ORDER BY exit_time DESC, ticker COLLATE "C" LIMIT rule.streak_limit
) AS trade ON true
GROUP BY account.account_name, rule.streak_limit
ORDER BY account.account_name COLLATE "C"
"""

# Another account's run of the failed tick is no recovery, so only later ticks count, and only
# after some minutes without a new failure. The failed run itself may have been deleted: then
# the alert's own time counts.
_RECOVERED = """
SELECT alert.subject
FROM alerts AS alert
CROSS JOIN LATERAL (
    SELECT coalesce(max(tick), alert.opened_at) AS tick FROM pipeline_runs
    WHERE stage = 'run_failure' AND scope = left(alert.subject, 50)
) AS failed
WHERE alert.kind = 'stage_failed' AND alert.resolved_at IS NULL AND failed.tick <= :quiet_since
  AND EXISTS (
      SELECT 1 FROM pipeline_runs AS run
      WHERE run.stage = alert.details ->> 'stage' AND run.status = 'succeeded'
        AND run.tick > failed.tick)
ORDER BY alert.subject COLLATE "C"
"""

# The guard asks each minute for what is held; other quotes may never be asked for again.
_UNASKED_QUOTES = """
SELECT subject FROM alerts AS a
WHERE kind = 'item_illegible' AND scope = '*' AND subject LIKE 'quote %'
  AND resolved_at IS NULL AND opened_at < :opened_before
  AND NOT EXISTS (SELECT 1 FROM active_positions AS p
                  WHERE p.status <> 'closed' AND a.subject = 'quote ' || p.symbol)
"""

_WAITING = """
SELECT count(*) AS waiting FROM inbound_events_raw
WHERE processed_at IS NULL AND fetched_at < :before
"""

# Also those that an alert names: the alarm is about the order.
_UNKNOWN_ORDERS = """
SELECT count(*) AS unknown FROM orders
WHERE status IN ('intended', 'unknown') AND decided_at < :before
"""

_CRITICAL = """
SELECT count(*) AS open FROM alerts WHERE severity = 'critical' AND resolved_at IS NULL
"""


def succeeded_runs(tx: Transaction, *, since: datetime) -> list[Run]:
    return [Run(**row) for row in tx.rows(_RUNS, since=since)]


def was_running(tx: Transaction, *, tick: datetime) -> bool:
    """Whether anything had run by that tick; a new pipeline has nothing overdue."""
    row = tx.one(_ANY_BEFORE, tick=tick)
    return row is not None and bool(row["found"])


def newest_runs(
    tx: Transaction, stages: Sequence[str], *, until: datetime
) -> dict[str, datetime | None]:
    """The tick of the newest succeeded run by stage; a stage that never ran is absent."""
    found = tx.rows(_NEWEST_RUNS, stages=list(stages), until=until)
    return {row["stage"]: row["tick"] for row in found}


def configured_accounts(tx: Transaction, *, until: datetime) -> dict[str, bool]:
    """Whether the guard's newest run found keys, by active account; one without a run is absent."""
    return {row["account"]: row["configured"] for row in tx.rows(_CONFIGURED, until=until)}


def newest_minutes(tx: Transaction, *, until: datetime) -> dict[str, datetime | None]:
    """The newest minute of each table in health.OUTPUTS; None if it is empty."""
    rows = {
        output.table: tx.one(
            f"SELECT max({output.moment}) AS ts FROM {output.table} WHERE {output.moment} <= :t",
            t=until,
        )
        for output in OUTPUTS
    }
    return {table: row["ts"] if row else None for table, row in rows.items()}


def final_recommendations(tx: Transaction, *, since: datetime) -> list[FinalRecommendations]:
    return [
        FinalRecommendations(row["account_name"], row["total"], row["failed"])
        for row in tx.rows(_FINAL, since=since)
    ]


def refused_entries(tx: Transaction, *, since: datetime) -> list[RefusedEntries]:
    """Each active account's final recommendations since then, and what refused them."""
    rows = tx.rows(
        _REFUSED, since=since, blocking=list(BLOCKING), if_unknown=list(BLOCKING_IF_UNKNOWN)
    )
    totals = {row["account"]: row["total"] for row in rows}
    return [
        RefusedEntries(
            account,
            total,
            {
                row["gate"]: row["refused"]
                for row in rows
                if row["account"] == account and row["gate"]
            },
        )
        for account, total in totals.items()
    ]


def streaks(tx: Transaction) -> list[Streak]:
    """How many of each account's newest trades lost; empty before parameters are in force."""
    rows = tx.rows(_STREAKS, shipped=GateRules().account_losing_streak)
    return [Streak(row["account"], row["lost"], row["streak_limit"]) for row in rows]


def recovered_states(tx: Transaction, *, quiet_since: datetime) -> list[str]:
    """Subjects of open stage_failed alerts whose stage has succeeded since."""
    return [row["subject"] for row in tx.rows(_RECOVERED, quiet_since=quiet_since)]


def unasked_quotes(tx: Transaction, *, opened_before: datetime) -> list[str]:
    """Subjects of open alerts on illegible quotes of what nobody holds, opened before that."""
    return [row["subject"] for row in tx.rows(_UNASKED_QUOTES, opened_before=opened_before)]


def waiting_items(tx: Transaction, *, before: datetime) -> int:
    """News items fetched before that moment that still wait for the classifier."""
    row = tx.one(_WAITING, before=before)
    return int(row["waiting"]) if row else 0


def unknown_orders(tx: Transaction, *, before: datetime) -> int:
    """Orders decided before that moment whose outcome is unknown."""
    row = tx.one(_UNKNOWN_ORDERS, before=before)
    return int(row["unknown"]) if row else 0


def critical_alerts(tx: Transaction) -> int:
    row = tx.one(_CRITICAL)
    return int(row["open"]) if row else 0
