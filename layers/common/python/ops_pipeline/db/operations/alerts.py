"""Alerts: what a person should know of, at most one open for each matter."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ops_pipeline.db.driver.connection import Transaction, values_of
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.operations.alerts import Alert, AlertKey, AlertKind

_OPEN = """
INSERT INTO alerts (id, kind, scope, subject, severity, message, details, opened_at)
VALUES (:id, :kind, :scope, :subject, :severity, :message, CAST(:details AS jsonb), :now)
ON CONFLICT DO NOTHING
"""

_RESOLVE = """
UPDATE alerts SET resolved_at = :now
WHERE kind = :kind AND scope = :scope AND subject = :subject AND resolved_at IS NULL
"""

_RESOLVE_KINDS = """
UPDATE alerts SET resolved_at = :now
WHERE kind = ANY(CAST(:kinds AS text[])) AND scope = :scope AND resolved_at IS NULL
"""

_OPEN_OF_KIND = """
SELECT scope, subject FROM alerts WHERE kind = :kind AND resolved_at IS NULL
ORDER BY scope COLLATE "C", subject COLLATE "C"
"""

_OPEN_ONE = """
SELECT opened_at, details FROM alerts
WHERE kind = :kind AND scope = :scope AND subject = :subject AND resolved_at IS NULL
"""


def open_alert(tx: Transaction, alert: Alert, *, now: datetime) -> bool:
    """Open an alert unless one for the same kind, scope and subject is open; True when new."""
    opened = tx.execute(
        _OPEN,
        id=stable_uuid("alert", alert.kind, alert.scope, alert.subject, now),
        **{**values_of(alert), "details": json.dumps(alert.details, default=str)},
        now=now,
    )
    return bool(opened)


def resolve_alert(tx: Transaction, key: AlertKey, *, now: datetime) -> bool:
    """Close the open alert of that matter; False when none is open."""
    return bool(tx.execute(_RESOLVE, **key._asdict(), now=now))


def resolve_kinds(tx: Transaction, *, kinds: Sequence[AlertKind], scope: str, now: datetime) -> int:
    """Close every open alert of these kinds in that scope; returns how many."""
    return tx.execute(_RESOLVE_KINDS, kinds=list(kinds), scope=scope, now=now)


def open_of_kind(tx: Transaction, kind: AlertKind) -> list[tuple[str, str]]:
    """Scope and subject of the open alerts of one kind."""
    return [(row["scope"], row["subject"]) for row in tx.rows(_OPEN_OF_KIND, kind=kind)]


def find_open(tx: Transaction, key: AlertKey) -> tuple[datetime, dict[str, Any]] | None:
    """When the open alert of that matter was opened, and its facts; None without one."""
    row = tx.one(_OPEN_ONE, **key._asdict())
    return (row["opened_at"], dict(row["details"])) if row else None
