"""Opens and resolves alerts; at most one is open per kind, scope and subject."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ops_pipeline.db.driver.connection import Transaction, values_of
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.legible import legible, legible_values
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
    """Open an alert unless one with the same key is open; True when it is new.

    Its text may come from outside: what Postgres refuses is replaced, never a reason to lose it.
    """
    opened = tx.execute(
        _OPEN,
        id=stable_uuid("alert", alert.kind, alert.scope, alert.subject, now),
        **{
            **values_of(alert),
            "message": legible(alert.message),
            "details": json.dumps(legible_values(alert.details), default=str),
        },
        now=now,
    )
    return bool(opened)


def resolve_alert(tx: Transaction, key: AlertKey, *, now: datetime) -> bool:
    """Resolve the open alert with this key; False when none is open."""
    return bool(tx.execute(_RESOLVE, **key._asdict(), now=now))


def resolve_kinds(tx: Transaction, *, kinds: Sequence[AlertKind], scope: str, now: datetime) -> int:
    """Resolve every open alert of these kinds in that scope; returns how many."""
    return tx.execute(_RESOLVE_KINDS, kinds=list(kinds), scope=scope, now=now)


def open_of_kind(tx: Transaction, kind: AlertKind) -> list[tuple[str, str]]:
    """Scope and subject of the open alerts of one kind."""
    return [(row["scope"], row["subject"]) for row in tx.rows(_OPEN_OF_KIND, kind=kind)]


def find_open(tx: Transaction, key: AlertKey) -> tuple[datetime, dict[str, Any]] | None:
    """When the alert with this key was opened, and its details; None if none is open."""
    row = tx.one(_OPEN_ONE, **key._asdict())
    return (row["opened_at"], dict(row["details"])) if row else None
