"""Comparisons of each account with its broker, kept by the reconciler."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.operations.invariants import Breach

# How many differences a row lists; it counts all of them.
LISTED = 20

_KEEP = """
INSERT INTO broker_comparisons
    (account_name, tick, compared_at, result, difference_count, differences, duration_ms)
VALUES (:account, :tick, :compared_at, :result, :difference_count,
        CAST(:differences AS jsonb), :duration_ms)
ON CONFLICT (account_name, tick) DO UPDATE SET
    compared_at = excluded.compared_at, result = excluded.result,
    difference_count = excluded.difference_count, differences = excluded.differences,
    duration_ms = excluded.duration_ms
"""

# An account that only simulates has no broker any more.
_NEWEST = """
SELECT c.account_name, c.tick, c.differences
FROM accounts AS a
CROSS JOIN LATERAL (
    SELECT * FROM broker_comparisons
    WHERE account_name = a.account_name AND tick <= :until ORDER BY tick DESC LIMIT 1
) AS c
WHERE a.execution_mode <> 'SIMULATED'
ORDER BY c.account_name COLLATE "C"
"""


@dataclass(frozen=True, slots=True)
class KeptComparison:
    """The newest comparison of an account: its tick, and the differences that it lists."""

    tick: datetime
    listed: Sequence[Breach]


def keep(
    tx: Transaction,
    *,
    account: str,
    tick: datetime,
    compared_at: datetime,
    found: Sequence[Breach],
    duration_ms: float,
) -> None:
    """Keep what a comparison found; another one at the same tick takes its place."""
    listed = [
        {"invariant": breach.invariant, "subject": breach.subject, "message": breach.message}
        for breach in found[:LISTED]
    ]
    tx.enqueue(
        _KEEP,
        account=account,
        tick=tick,
        compared_at=compared_at,
        result="differs" if found else "agrees",
        difference_count=len(found),
        differences=json.dumps(listed),
        duration_ms=duration_ms,
    )


def newest(tx: Transaction, *, until: datetime) -> Mapping[str, KeptComparison]:
    """The newest comparison by account, of those that have a broker; never compared: absent."""
    return {
        row["account_name"]: KeptComparison(
            row["tick"],
            [Breach(account=row["account_name"], **listed) for listed in row["differences"]],
        )
        for row in tx.rows(_NEWEST, until=until)
    }
